#include "relay/base/ascii.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace postrider::ascii {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

// A generator whose seed is told when a test fails.
class AsciiProperty : public ::testing::Test {
 protected:
  AsciiProperty() : generator_(seed_) {}

  std::size_t below(std::size_t bound) { return generator_() % bound; }

  std::string bytes(std::size_t max_length) {
    std::string out(below(max_length + 1), '\0');
    std::generate(out.begin(), out.end(), [this] { return static_cast<char>(below(256)); });
    return out;
  }

  std::string word(std::size_t max_length) {
    std::string out(below(max_length + 1), '\0');
    std::generate(out.begin(), out.end(), [this] { return static_cast<char>('a' + below(3)); });
    return out;
  }

  const std::mt19937_64::result_type seed_ = std::random_device{}();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};

 private:
  std::mt19937_64 generator_;
};

TEST(Ascii, FoldsOnlyAsciiLetters) {
  EXPECT_EQ(lower("AZaz09@[`{\xc3\x84"), "azaz09@[`{\xc3\x84");
  EXPECT_EQ(upper("AZaz09@[`{\xc3\xa4"), "AZAZ09@[`{\xc3\xa4");
}

TEST(Ascii, ComparesWithoutCase) {
  EXPECT_TRUE(iequals("STARTTLS", "startTLS"));
  EXPECT_TRUE(iequals("", ""));
  EXPECT_FALSE(iequals("EHLO", "EHLO "));
  EXPECT_FALSE(iequals("[", "{")) << "these differ by the case bit and are no letters";
}

TEST(Ascii, FindsPrefixWithoutCase) {
  EXPECT_TRUE(istarts_with("mail from:<a@b>", "MAIL FROM:"));
  EXPECT_TRUE(istarts_with("x", ""));
  EXPECT_FALSE(istarts_with("MAIL", "MAIL FROM:"));
}

TEST(Ascii, TrimsSpacesAndTabsOnly) {
  EXPECT_EQ(trim(" \t a b\t "), "a b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("\r\n"), "\r\n");
}

TEST(Ascii, SplitsAtEverySeparator) {
  EXPECT_THAT(split("a,b,,c", ','), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(split(",", ','), ElementsAre("", ""));
  EXPECT_THAT(split("", ','), ElementsAre(""));
}

TEST(Ascii, ParsesNumbersUpToTheLast) {
  EXPECT_THAT(parse_u64("0"), Optional(0U));
  EXPECT_THAT(parse_u64("007"), Optional(7U));
  EXPECT_THAT(parse_u64("18446744073709551615"),
              Optional(std::numeric_limits<std::uint64_t>::max()));
}

TEST(Ascii, RefusesWhatIsNotOnlyDigits) {
  for (const char* text :
       {"", " 1", "1 ", "+1", "-1", "0x1", "1e3", "18446744073709551616", "99999999999999999999"}) {
    EXPECT_EQ(parse_u64(text), std::nullopt) << text;
  }
}

// The vectors of RFC 4648 section 10.
TEST(Ascii, EncodesTheBase64Vectors) {
  EXPECT_EQ(base64_encode(""), "");
  EXPECT_EQ(base64_encode("f"), "Zg==");
  EXPECT_EQ(base64_encode("fo"), "Zm8=");
  EXPECT_EQ(base64_encode("foo"), "Zm9v");
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_encode("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
}

TEST(Ascii, RefusesBase64ThatIsNotStrict) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=", "Zg==Zg==",
                           "Zm 9", "Zm9v\n", "Zm-_", "Z=g=", "Zg=a"}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
}

TEST_F(AsciiProperty, Base64RoundTrips) {
  for (int i = 0; i < 2000; ++i) {
    const std::string original = bytes(100);
    EXPECT_THAT(base64_decode(base64_encode(original)), Optional(original));
  }
}

// One text for one value: whatever decodes is what encoding gives back.
TEST_F(AsciiProperty, Base64HasOneTextForOneValue) {
  int decoded = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = base64_encode(bytes(8));
    if (!text.empty()) text[below(text.size())] = "AZ=z9/ +"[below(8)];
    const auto value = base64_decode(text);
    if (!value) continue;
    ++decoded;
    EXPECT_EQ(base64_encode(*value), text);
  }
  EXPECT_GT(decoded, 1000);
}

TEST(Ascii, WritesHex) {
  EXPECT_EQ(hex(std::string_view("\x00\x0f\xa0\xff", 4)), "000fa0ff");
  EXPECT_EQ(hex(""), "");
}

TEST(Ascii, EscapesWhatATerminalMightObey) {
  EXPECT_EQ(printable("250 ok"), "250 ok");
  EXPECT_EQ(printable("a\\b"), "a\\\\b");
  EXPECT_EQ(printable("\x1b[2J\r\n\x7f\xff"), "\\x1b[2J\\x0d\\x0a\\x7f\\xff");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

TEST(Ascii, CutsLongTextAfterTheLimit) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde...");
  EXPECT_EQ(printable("\n\n", 1), "\\x0a...");
  EXPECT_EQ(printable(std::string(513, 'x')), std::string(512, 'x') + "...");
}

TEST_F(AsciiProperty, PrintableIsAlwaysPrintable) {
  for (int i = 0; i < 1000; ++i) {
    const std::string shown = printable(bytes(60));
    EXPECT_TRUE(std::all_of(shown.begin(), shown.end(), [](char c) { return c >= 32 && c < 127; }));
  }
}

TEST(Ascii, CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("listen", ""), 6U);
  EXPECT_EQ(edit_distance("", "listen"), 6U);
  EXPECT_EQ(edit_distance("timeout", "timeuot"), 2U);
}

TEST_F(AsciiProperty, EditDistanceIsAMetric) {
  for (int i = 0; i < 1000; ++i) {
    const std::string a = word(8), b = word(8), c = word(8);
    EXPECT_EQ(edit_distance(a, b), edit_distance(b, a));
    EXPECT_EQ(edit_distance(a, b) == 0, a == b);
    EXPECT_LE(edit_distance(a, c), edit_distance(a, b) + edit_distance(b, c));
  }
}

}  // namespace
}  // namespace postrider::ascii
