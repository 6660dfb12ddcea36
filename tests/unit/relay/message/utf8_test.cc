#include "relay/message/utf8.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <string>

namespace postrider::message {
namespace {

// The plain bit layout, without a thought for validity.
std::string encode(std::uint32_t point, std::size_t length) {
  if (length == 1) return {static_cast<char>(point)};
  std::string out(length, '\0');
  for (std::size_t i = length; i-- > 1; point >>= 6) {
    out[i] = static_cast<char>(0x80 | (point & 0x3F));
  }
  constexpr std::uint32_t kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  out[0] = static_cast<char>(kLead[length] | point);
  return out;
}

std::size_t shortest(std::uint32_t point) {
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

TEST(Utf8, TakesEveryCodePointInItsShortestFormOnly) {
  for (std::uint32_t point = 0; point < 0x200000; ++point) {
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    const std::size_t good = surrogate || point > 0x10FFFF ? 0 : shortest(point);
    for (std::size_t length = shortest(point); length <= 4; ++length) {
      ASSERT_EQ(utf8_sequence(encode(point, length)), length == good ? good : 0) << point;
    }
  }
}

TEST(Utf8, ASequenceCutShortIsNone) {
  const std::string text = "\xf0\x9f\x93\xac";
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_EQ(utf8_sequence(text.substr(0, length)), 0U) << length;
  }
  EXPECT_EQ(utf8_sequence(text + "x"), 4U);
}

TEST(Utf8, JudgesWholeTexts) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\xc3\xa4\xe2\x82\xac"));
  EXPECT_FALSE(is_utf8("a\xc3\xa4\xe2\x82"));
  EXPECT_FALSE(is_utf8("\x80"));
  EXPECT_TRUE(is_ascii("a\x7f"));
  EXPECT_FALSE(is_ascii("a\x80"));
  for (std::size_t at = 0; at < 140; ++at) {
    std::string text(140, 'a');
    EXPECT_TRUE(is_ascii(std::string_view(text).substr(at)));
    text[at] = '\xff';
    EXPECT_FALSE(is_ascii(text)) << at;
  }
}

TEST(Utf8, FindsControlCharacters) {
  EXPECT_FALSE(has_control("a b~\xc3\xa4"));
  EXPECT_TRUE(has_control("\t"));
  EXPECT_TRUE(has_control("a\x7f"));
  EXPECT_TRUE(has_control("\xc2\x9b"));
  EXPECT_FALSE(has_control("\xc2\xa0"));
  EXPECT_FALSE(has_control("\xc2"));
}

}  // namespace
}  // namespace postrider::message
