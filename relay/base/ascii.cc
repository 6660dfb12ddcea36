#include "relay/base/ascii.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

namespace postrider::ascii {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr unsigned octet(char c) {
  return static_cast<unsigned char>(c);
}

// The value of each base64 character, -1 for every other byte.
constexpr std::array<int, 256> kBase64Values = [] {
  std::array<int, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    values[octet(kBase64[i])] = static_cast<int>(i);
  }
  return values;
}();

void append_hex(std::string& out, char c) {
  out += kHexDigits[octet(c) >> 4];
  out += kHexDigits[octet(c) & 15];
}

// The bits of up to four base64 characters, most significant first; nullopt for a foreign byte.
std::optional<std::uint32_t> base64_bits(std::string_view characters) {
  std::uint32_t bits = 0;
  for (const char c : characters) {
    const int value = kBase64Values[octet(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
  }
  return bits;
}

}  // namespace

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_visible(std::string_view text) {
  return is_printable(text) && text.find(' ') == std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return out;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return out;
}

bool iequals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return to_lower(x) == to_lower(y);
         });
}

bool istarts_with(std::string_view text, std::string_view prefix) {
  return iequals(text.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return text.substr(text.size());
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (kMax - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(3, bytes.size()))) {
    const unsigned second = bytes.size() > 1 ? octet(bytes[1]) : 0;
    const unsigned third = bytes.size() > 2 ? octet(bytes[2]) : 0;
    const unsigned bits = (octet(bytes[0]) << 16) | (second << 8) | third;
    out += kBase64[bits >> 18];
    out += kBase64[(bits >> 12) & 63];
    out += bytes.size() > 1 ? kBase64[(bits >> 6) & 63] : '=';
    out += bytes.size() > 2 ? kBase64[bits & 63] : '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  while (!text.empty()) {
    std::string_view group = text.substr(0, 4);
    text.remove_prefix(4);
    // Only the last group may be padded; anywhere else '=' is a foreign byte.
    if (text.empty() && group.ends_with('=')) group.remove_suffix(group[2] == '=' ? 2 : 1);
    const auto bits = base64_bits(group);
    if (!bits) return std::nullopt;
    const auto missing = static_cast<unsigned>(4 - group.size());
    const std::uint32_t octets = *bits << (6 * missing);
    // RFC 4648 section 3.5: bits behind the last octet must be zero, or two texts decode alike.
    if ((octets & ((1U << (8 * missing)) - 1)) != 0) return std::nullopt;
    for (unsigned i = 0; i + missing < 3; ++i) {
      out += static_cast<char>((octets >> (16 - 8 * i)) & 255);
    }
  }
  return out;
}

std::string hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) append_hex(out, c);
  return out;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  const std::string_view shown = text.substr(0, limit);
  out.reserve(shown.size() + 3);
  for (const char c : shown) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      out += "\\x";
      append_hex(out, c);
    }
  }
  if (shown.size() < text.size()) out += "...";
  return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // One row of the usual table: row[j] is the distance of a's prefix seen so far to b's first j.
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace postrider::ascii
