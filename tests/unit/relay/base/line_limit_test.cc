#include "relay/base/line_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postrider::log {
namespace {

using ::testing::Optional;

class LineLimitTest : public ::testing::Test {
 protected:
  std::optional<std::uint64_t> admit(std::string_view message, std::string_view area = "area") {
    return limit_.admit(area, message, now_);
  }

  // How many of `count` lines are admitted.
  unsigned admitted(unsigned count, std::string_view message) {
    unsigned lines = 0;
    for (unsigned i = 0; i < count; ++i) lines += admit(message) ? 1 : 0;
    return lines;
  }

  void advance(Duration step) { now_ += step; }

  LineLimit limit_;
  TimePoint now_{Seconds(1000)};
};

TEST_F(LineLimitTest, AdmitsAFewLinesASecond) {
  EXPECT_EQ(admitted(100, "m"), LineLimit::kLinesPerWindow);
  advance(LineLimit::kWindow - Milliseconds(1));
  EXPECT_EQ(admitted(100, "m"), 0U);
  advance(Milliseconds(1));
  EXPECT_EQ(admitted(100, "m"), LineLimit::kLinesPerWindow);
}

TEST_F(LineLimitTest, SaysOnceWhatWasHeldBack) {
  admitted(LineLimit::kLinesPerWindow + 7, "m");
  advance(LineLimit::kWindow);
  EXPECT_THAT(admit("m"), Optional(7U));
  EXPECT_THAT(admit("m"), Optional(0U));
}

TEST_F(LineLimitTest, KeysDoNotDisturbEachOther) {
  admitted(100, "m");
  EXPECT_THAT(admit("other"), Optional(0U));
  EXPECT_THAT(admit("m", "elsewhere"), Optional(0U));
  EXPECT_THAT(admit("am", "are"), Optional(0U)) << "area and message must not run together";
}

TEST_F(LineLimitTest, KeysBeyondTheLimitShareAnAllowance) {
  for (std::size_t i = 0; i < LineLimit::kMaxKeys; ++i) admit(std::to_string(i));
  unsigned lines = 0;
  for (std::size_t i = 0; i < 100; ++i) lines += admit("new " + std::to_string(i)) ? 1 : 0;
  EXPECT_EQ(lines, LineLimit::kLinesPerWindow);
  EXPECT_THAT(admit("0"), Optional(0U)) << "known keys keep their own";
}

TEST_F(LineLimitTest, FinishedKeysMakeRoom) {
  for (std::size_t i = 0; i < LineLimit::kMaxKeys; ++i) admit(std::to_string(i));
  advance(LineLimit::kWindow);
  unsigned lines = 0;
  for (std::size_t i = 0; i < 100; ++i) lines += admit("new " + std::to_string(i)) ? 1 : 0;
  EXPECT_EQ(lines, 100U);
}

}  // namespace
}  // namespace postrider::log
