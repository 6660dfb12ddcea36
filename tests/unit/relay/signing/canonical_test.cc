#include "relay/signing/canonical.h"

#include <gtest/gtest.h>
#include <random>
#include <regex>

namespace postrider::signing {
namespace {

std::string field(Canonical form, const std::string& text) {
  std::string out;
  append_field(out, form, text);
  return out;
}

std::string body(Canonical form, const std::vector<std::string>& parts) {
  std::string out;
  BodyForm made(form, [&](std::string_view part) { out += part; });
  for (const std::string& part : parts) made.feed(part);
  made.finish();
  return out;
}

std::string relaxed(const std::string& text) {
  return body(Canonical::kRelaxed, {text});
}

std::string simple(const std::string& text) {
  return body(Canonical::kSimple, {text});
}

// RFC 6376 section 3.4.5, example 1 and 2.
TEST(Canonical, TheExamplesOfTheRfc) {
  EXPECT_EQ(field(Canonical::kRelaxed, "A: X\r\n"), "a:X\r\n");
  EXPECT_EQ(field(Canonical::kRelaxed, "B : Y\t\r\n\tZ  \r\n"), "b:Y Z\r\n");
  EXPECT_EQ(field(Canonical::kSimple, "B : Y\t\r\n\tZ  \r\n"), "B : Y\t\r\n\tZ  \r\n");
  EXPECT_EQ(relaxed(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
  EXPECT_EQ(simple(" C \r\nD \t E\r\n\r\n\r\n"), " C \r\nD \t E\r\n");
}

TEST(Canonical, FieldsWithLittleInThem) {
  EXPECT_EQ(field(Canonical::kRelaxed, "Subject:\r\n"), "subject:\r\n");
  EXPECT_EQ(field(Canonical::kRelaxed, "Subject: \r\n \r\n"), "subject:\r\n");
  EXPECT_EQ(field(Canonical::kRelaxed, "Subject: x"), "subject:x\r\n");
  EXPECT_EQ(field(Canonical::kSimple, "Subject: x"), "Subject: x\r\n");
  EXPECT_EQ(field(Canonical::kRelaxed, "X: a:b : c\r\n"), "x:a:b : c\r\n");
}

TEST(Canonical, BodiesWithLittleInThem) {
  EXPECT_EQ(simple(""), "\r\n");
  EXPECT_EQ(simple("\r\n\r\n"), "\r\n");
  EXPECT_EQ(relaxed(""), "");
  EXPECT_EQ(relaxed("\r\n\r\n"), "");
  EXPECT_EQ(relaxed(" \t\r\n \r\n"), "");
  EXPECT_EQ(simple(" \r\n"), " \r\n");
  EXPECT_EQ(simple("x"), "x\r\n");
  EXPECT_EQ(relaxed("x \t"), "x\r\n");
  EXPECT_EQ(relaxed("\r\n x\r\n"), "\r\n x\r\n");
}

TEST(Canonical, OnlyCrLfEndsALine) {
  EXPECT_EQ(relaxed("a \rb\n\r\n"), "a \rb\n\r\n");
  EXPECT_EQ(relaxed("a\r\r\n\r"), "a\r\r\n\r\r\n");
  EXPECT_EQ(simple("a\r\r\n\r\r\n"), "a\r\r\n\r\r\n");
}

TEST(Canonical, ManyEmptyLinesInTheMiddleStay) {
  std::string lines;
  for (int i = 0; i < 50'000; ++i) lines += "\r\n";
  EXPECT_EQ(relaxed("a\r\n" + lines + "b\r\n" + lines), "a\r\n" + lines + "b\r\n");
}

TEST(Canonical, ALongLineStays) {
  const std::string line(100'000, 'x');
  EXPECT_EQ(relaxed(line + "  y\r\n"), line + " y\r\n");
  EXPECT_EQ(simple(line + "  y\r\n"), line + "  y\r\n");
}

// The words of RFC 6376 sections 3.4.3 and 3.4.4, one after the other on the whole text.
std::string naive(Canonical form, std::string text) {
  if (form == Canonical::kRelaxed) {
    if (!text.ends_with("\r\n")) text += "\r\n";
    text = std::regex_replace(text, std::regex("[ \t]+"), " ");
    text = std::regex_replace(text, std::regex(" \r\n"), "\r\n");
  }
  while (text.ends_with("\r\n")) text.resize(text.size() - 2);
  if (text.empty() && form == Canonical::kRelaxed) return "";
  return text + "\r\n";
}

TEST(Canonical, AnySplitGivesWhatTheWordsOfTheRfcGive) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  static constexpr const char* kPieces[] = {"a", "bc", " ", "\t", "\r\n", "\r\n", "\xc3\xa4", "."};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (std::size_t i = below(40); i > 0; --i) text += kPieces[below(std::size(kPieces))];
    std::vector<std::string> parts;
    for (std::size_t at = 0; at < text.size();) {
      parts.push_back(text.substr(at, 1 + below(6)));
      at += parts.back().size();
    }
    for (const Canonical form : {Canonical::kRelaxed, Canonical::kSimple}) {
      ASSERT_EQ(body(form, parts), naive(form, text)) << testing::PrintToString(parts);
    }
  }
}

}  // namespace
}  // namespace postrider::signing
