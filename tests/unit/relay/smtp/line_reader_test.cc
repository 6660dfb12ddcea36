#include "relay/smtp/line_reader.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace postrider::smtp {
namespace {

constexpr std::size_t kMax = 20;

struct Seen {
  LineVerdict verdict;
  std::string line;
  bool operator==(const Seen&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << static_cast<int>(seen.verdict) << " '" << seen.line << "'";
}

// All lines of `text`, given in pieces of `piece` octets.
std::vector<Seen> read_all(std::string_view text, std::size_t piece = 1000) {
  LineReader reader;
  std::vector<Seen> seen;
  while (!text.empty()) {
    const std::string part(text.substr(0, piece));
    text.remove_prefix(part.size());
    std::string_view rest = part;
    while (!rest.empty()) {
      const LineVerdict verdict = reader.read(rest, kMax);
      if (verdict == LineVerdict::kIncomplete) continue;
      const bool good = verdict == LineVerdict::kGood;
      seen.push_back({verdict, good ? std::string(reader.line()) : ""});
    }
  }
  return seen;
}

void expect_lines(std::string_view text, const std::vector<Seen>& expected) {
  for (const std::size_t piece : {1000U, 1U, 2U, 3U, 5U}) {
    EXPECT_EQ(read_all(text, piece), expected) << "in pieces of " << piece;
  }
}

TEST(LineReader, LinesEndInCrlf) {
  expect_lines(
      "one\r\n\r\ntwo\r\nthr",
      {{LineVerdict::kGood, "one"}, {LineVerdict::kGood, ""}, {LineVerdict::kGood, "two"}});
}

TEST(LineReader, BareLfPoisonsUpToTheNextCrlf) {
  expect_lines("a\nb\nc\r\nd\r\n", {{LineVerdict::kBareLf, ""},
                                    {LineVerdict::kBareLf, ""},
                                    {LineVerdict::kBareLf, ""},
                                    {LineVerdict::kGood, "d"}});
}

TEST(LineReader, BareCrAndNulAreNamed) {
  expect_lines("a\rb\r\n", {{LineVerdict::kBareCr, ""}});
  expect_lines("a\r\r\n", {{LineVerdict::kBareCr, ""}});
  expect_lines("\r\r\n", {{LineVerdict::kBareCr, ""}});
  expect_lines(std::string_view("a\0b\r\nc\r\n", 8),
               {{LineVerdict::kNul, ""}, {LineVerdict::kGood, "c"}});
}

TEST(LineReader, TheLimitCountsTheLineEnd) {
  expect_lines(std::string(18, 'x') + "\r\n", {{LineVerdict::kGood, std::string(18, 'x')}});
  expect_lines(std::string(19, 'x') + "\r\na\r\n",
               {{LineVerdict::kTooLong, ""}, {LineVerdict::kGood, "a"}});
}

TEST(LineReader, AnEndlessLineTakesNoMemoryAndIsToldOnce) {
  LineReader reader;
  const std::string block(100000, 'x');
  for (int i = 0; i < 100; ++i) {
    std::string_view rest = block;
    EXPECT_EQ(reader.read(rest, kMax), LineVerdict::kIncomplete);
  }
  std::string_view rest = "\r\n";
  EXPECT_EQ(reader.read(rest, kMax), LineVerdict::kTooLong);
  EXPECT_LE(reader.line().size(), kMax);
}

TEST(LineReader, AWholeLineIsNotCopied) {
  LineReader reader;
  const std::string text = "NOOP\r\nrest";
  std::string_view rest = text;
  ASSERT_EQ(reader.read(rest, kMax), LineVerdict::kGood);
  EXPECT_EQ(reader.line().data(), text.data());
  EXPECT_EQ(rest, "rest");
}

TEST(LineReader, KnowsWhetherItIsWithinALine) {
  LineReader reader;
  std::string_view rest = "NO";
  EXPECT_FALSE(reader.in_line());
  reader.read(rest, kMax);
  EXPECT_TRUE(reader.in_line());
  rest = "OP\r\n";
  reader.read(rest, kMax);
  EXPECT_FALSE(reader.in_line());
  rest = "x\n";
  reader.read(rest, kMax);
  EXPECT_TRUE(reader.in_line());
  reader.reset();
  EXPECT_FALSE(reader.in_line());
}

}  // namespace
}  // namespace postrider::smtp
