#include "relay/message/status.h"

#include <array>
#include <charconv>

#include "relay/base/ascii.h"

namespace postrider::message {

namespace {

constexpr std::size_t kLineMax = 500;
constexpr std::string_view kEllipsis = "...";

// One to three digits from the front of `text`.
std::optional<std::uint16_t> take_number(std::string_view& text) {
  std::size_t digits = 0;
  while (digits < text.size() && ascii::is_digit(text[digits])) ++digits;
  if (digits == 0 || digits > 3) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(0, digits)) value = value * 10 + static_cast<unsigned>(c - '0');
  text.remove_prefix(digits);
  return static_cast<std::uint16_t>(value);
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

void append_number(std::string& out, int value) {
  std::array<char, 12> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

bool is_plain(char c) {
  return c >= ' ' && c <= '~' && c != '\\';
}

// `text` as ascii::printable shows it, with line ends as spaces, until `out` has kLineMax octets;
// the cut is between two characters, never within an escape.
void append_printable(std::string& out, std::string_view text) {
  std::size_t mark = out.size();  // where a cut would be
  for (const char c : text) {
    if (out.size() + kEllipsis.size() <= kLineMax) mark = out.size();
    if (is_plain(c)) {
      out += c;
    } else if (c == '\n') {
      out += ' ';
    } else {
      out += ascii::printable(std::string_view(&c, 1));
    }
    if (out.size() > kLineMax) {
      out.resize(mark);
      out += kEllipsis;
      return;
    }
  }
}

}  // namespace

std::string EnhancedCode::to_string() const {
  std::string out;
  append_number(out, cls);
  out += '.';
  append_number(out, subject);
  out += '.';
  append_number(out, detail);
  return out;
}

std::optional<EnhancedCode> EnhancedCode::parse(std::string_view text) {
  if (text.empty() || (text[0] != '2' && text[0] != '4' && text[0] != '5')) return std::nullopt;
  EnhancedCode code;
  code.cls = static_cast<std::uint8_t>(text[0] - '0');
  text.remove_prefix(1);
  if (!take(text, '.')) return std::nullopt;
  const auto subject = take_number(text);
  if (!subject || !take(text, '.')) return std::nullopt;
  const auto detail = take_number(text);
  if (!detail || !text.empty()) return std::nullopt;
  code.subject = *subject;
  code.detail = *detail;
  return code;
}

std::string Status::to_line() const {
  std::string out;
  out.reserve(text.size() + 12);
  if (code != 0) append_number(out, code);
  if (enhanced.present()) {
    if (!out.empty()) out += ' ';
    out += enhanced.to_string();
  }
  if (!text.empty()) {
    if (!out.empty()) out += ' ';
    append_printable(out, text);
  }
  return out;
}

}  // namespace postrider::message
