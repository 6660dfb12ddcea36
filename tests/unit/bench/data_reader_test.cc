#include "bench/sim/data_reader.h"

#include <gtest/gtest.h>

#include "relay/base/random.h"

namespace postrider::bench {
namespace {

constexpr std::size_t kAll = 1'000'000;

// Reads `bytes` in one piece; what is behind the end is in `rest`.
struct Reading {
  explicit Reading(std::string_view bytes, std::size_t keep = kAll) {
    reader.restart(keep);
    rest = bytes.substr(reader.receive(bytes));
  }

  DataReader reader;
  std::string_view rest;
};

TEST(DataReader, RemovesStuffedDots) {
  const Reading reading("..a\r\nb\r\n..\r\n...c\r\n.\r\nQUIT\r\n");
  EXPECT_TRUE(reading.reader.done());
  EXPECT_EQ(reading.reader.content(), ".a\r\nb\r\n.\r\n..c\r\n");
  EXPECT_EQ(reading.rest, "QUIT\r\n");
  EXPECT_FALSE(reading.reader.bare_line_ends());
}

TEST(DataReader, AnEmptyContent) {
  const Reading reading(".\r\n");
  EXPECT_TRUE(reading.reader.done());
  EXPECT_EQ(reading.reader.size(), 0U);
}

TEST(DataReader, OnlyCrLfDotCrLfEnds) {
  for (const char* text : {"a\n.\r\n", "a\r\n.\n", "a\n.\n", "a\r.\r\n", "a\r\n.\rb", "a.\r\n"}) {
    EXPECT_FALSE(Reading(text).reader.done()) << text;
  }
}

TEST(DataReader, NoticesBareLineEnds) {
  EXPECT_TRUE(Reading("a\nb\r\n.\r\n").reader.bare_line_ends());
  EXPECT_TRUE(Reading("a\rb\r\n.\r\n").reader.bare_line_ends());
  EXPECT_TRUE(Reading("\na\r\n.\r\n").reader.bare_line_ends());
  EXPECT_TRUE(Reading("a\r\r\n.\r\n").reader.bare_line_ends());
  EXPECT_FALSE(Reading("a\r\n\r\nb\r\n.\r\n").reader.bare_line_ends());
}

TEST(DataReader, KeepsWhatItIsToldAndCountsAll) {
  const Reading reading("0123456789\r\nabc\r\n.\r\n", 5);
  EXPECT_EQ(reading.reader.content(), "01234");
  EXPECT_EQ(reading.reader.size(), 17U);
}

TEST(DataReader, AnySplitGivesTheSame) {
  const std::uint64_t seed = SystemRandom().u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  static constexpr std::string_view kPieces[] = {"\r", "\n", ".", "\r\n", "\r\n.", "x"};
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) text += kPieces[random.below(6)];
    text += "\r\n.\r\nrest";
    const Reading whole(text);
    DataReader split;
    split.restart(kAll);
    std::string_view left = text;
    while (!left.empty() && !split.done()) {
      const std::size_t part = 1 + random.below(3);
      left.remove_prefix(split.receive(left.substr(0, part)));
    }
    EXPECT_EQ(split.content(), whole.reader.content());
    EXPECT_EQ(split.bare_line_ends(), whole.reader.bare_line_ends());
    EXPECT_EQ(left, whole.rest);
  }
}

}  // namespace
}  // namespace postrider::bench
