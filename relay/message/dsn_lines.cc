#include "relay/message/dsn_lines.h"

#include <algorithm>

#include "relay/message/utf8.h"

namespace postrider::message {

namespace {

constexpr std::size_t kFieldColumn = 78;
constexpr std::size_t kParagraphColumn = 72;
constexpr std::string_view kCut = "...";

// Where the line that starts `text` has to end so that it takes at most `columns`: before a space
// that stands alone, the last such within reach or else the first beyond; npos for all of it.
std::size_t fold_point(std::string_view text, std::size_t columns, std::size_t from) {
  if (text.size() <= columns) return std::string_view::npos;
  std::size_t best = std::string_view::npos;
  for (std::size_t i = std::max<std::size_t>(from, 1); i + 1 < text.size(); ++i) {
    if (i > columns && best != std::string_view::npos) break;
    // Among several spaces a fold could leave a line of blanks only (RFC 5322 section 3.2.2).
    if (text[i] == ' ' && text[i - 1] != ' ' && text[i + 1] != ' ') best = i;
  }
  return best;
}

bool is_stray(std::string_view line) {
  return std::any_of(line.begin(), line.end(),
                     [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

// A line's text without its CRLF, from the front of `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  return line;
}

}  // namespace

std::string clean_text(std::string_view text, std::size_t limit, bool utf8) {
  std::string out;
  const bool cut = text.size() > limit;
  const std::size_t room = cut ? limit - std::min(limit, kCut.size()) : limit;
  while (!text.empty()) {
    const std::size_t length = utf8_sequence(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    if (out.size() + character.size() > room) break;
    const bool good =
        length == 1 ? !has_control(character) : utf8 && length > 1 && !has_control(character);
    out += good ? character : "?";
    text.remove_prefix(character.size());
  }
  if (cut) out += kCut;
  return out;
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  std::string text(name);
  text += ": ";
  const std::size_t body = text.size();
  text += value;
  // The first fold is not before the value: a line of a name alone confuses some readers.
  std::string_view rest = text;
  for (std::size_t from = body;; from = 1) {
    const std::size_t end = fold_point(rest, kFieldColumn, from);
    out += rest.substr(0, end);
    out += "\r\n";
    if (end == std::string_view::npos) return;
    rest.remove_prefix(end);
  }
}

void append_paragraph(std::string& out, std::string_view indent, std::string_view text) {
  while (true) {
    const std::size_t end = fold_point(text, kParagraphColumn - indent.size(), 1);
    out += indent;
    out += text.substr(0, end);
    out += "\r\n";
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::string repair_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (line.size() > kLineOctetsMax) {
      std::size_t end = kLineOctetsMax;
      while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
      line = line.substr(0, end == 0 ? kLineOctetsMax : end);
    }
    for (const char c : line) out += c == '\r' || c == '\n' || c == '\0' ? '?' : c;
    out += "\r\n";
  }
  return out;
}

bool has_wire_lines(std::string_view text) {
  if (!text.empty() && !text.ends_with("\r\n")) return false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.size() > kLineOctetsMax || is_stray(line)) return false;
  }
  return true;
}

}  // namespace postrider::message
