#include "relay/message/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace postrider::message {

namespace {

std::uint8_t octet(char c) {
  return static_cast<std::uint8_t>(c);
}

// What RFC 3629 section 4 allows behind a first octet: the length of the sequence, and the range of
// the second octet. The range is what keeps overlong forms, surrogates and the top out.
struct Shape {
  std::size_t length;
  std::uint8_t second_min;
  std::uint8_t second_max;
};

Shape shape_of(std::uint8_t first) {
  if (first < 0x80) return {1, 0, 0};
  if (first < 0xC2) return {0, 0, 0};
  if (first < 0xE0) return {2, 0x80, 0xBF};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first < 0xF0) return {3, 0x80, 0xBF};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first < 0xF4) return {4, 0x80, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

std::size_t utf8_sequence(std::string_view text) {
  if (text.empty()) return 0;
  const Shape shape = shape_of(octet(text[0]));
  if (shape.length < 2) return shape.length;
  if (text.size() < shape.length) return 0;
  if (octet(text[1]) < shape.second_min || octet(text[1]) > shape.second_max) return 0;
  for (std::size_t i = 2; i < shape.length; ++i) {
    if ((octet(text[i]) & 0xC0) != 0x80) return 0;
  }
  return shape.length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// Thirty-two octets at a time: whole texts are looked at.
bool is_ascii(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  const auto eight = [&text](std::size_t from) {
    std::uint64_t octets = 0;
    std::memcpy(&octets, text.data() + from, sizeof octets);
    return octets;
  };
  for (; text.size() >= 32; text.remove_prefix(32)) {
    if (((eight(0) | eight(8) | eight(16) | eight(24)) & kHighBits) != 0) return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) { return octet(c) < 0x80; });
}

bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint8_t c = octet(text[i]);
    if (c < 0x20 || c == 0x7F) return true;
    if (c == 0xC2 && i + 1 < text.size() && octet(text[i + 1]) >= 0x80 &&
        octet(text[i + 1]) < 0xA0) {
      return true;
    }
  }
  return false;
}

}  // namespace postrider::message
