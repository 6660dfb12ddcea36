// Text without locales: ASCII case, trimming, numbers, base64, hex, and making foreign text safe to
// show. Thread: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::ascii {

constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

constexpr bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// 32 to 126, and the same without the space.
bool is_printable(std::string_view text);
bool is_visible(std::string_view text);

std::string lower(std::string_view text);
std::string upper(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);
// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text);
// Parts between `separator`; "" gives one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);

// Digits only: no sign, no space, no overflow; otherwise nullopt.
std::optional<std::uint64_t> parse_u64(std::string_view text);

std::string base64_encode(std::string_view bytes);
// Strict RFC 4648 section 4: padding required, nothing but the alphabet, no stray bits in the last
// character; otherwise nullopt.
std::optional<std::string> base64_decode(std::string_view text);
std::string hex(std::string_view bytes);

// For logs, reports and terminals: printable ASCII as it is, every other byte as \xHH, a backslash
// doubled, cut after `limit` bytes of input with "..." behind.
std::string printable(std::string_view text, std::size_t limit = 512);

// Levenshtein distance, for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace postrider::ascii
