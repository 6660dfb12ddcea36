#include "bench/quantity.h"

#include <gtest/gtest.h>

namespace postrider::bench {
namespace {

TEST(Quantity, Sizes) {
  EXPECT_EQ(*parse_size("4096"), 4096U);
  EXPECT_EQ(*parse_size("4k"), 4096U);
  EXPECT_EQ(*parse_size("2M"), 2U * 1024 * 1024);
  for (const char* text : {"", "k", "-1", "4kb", "1.5k", "99999999999999999999", "9999999999g"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Quantity, Durations) {
  EXPECT_EQ(*parse_duration("100ms"), Milliseconds(100));
  EXPECT_EQ(*parse_duration("5s"), Milliseconds(5000));
  EXPECT_EQ(*parse_duration("2h"), Milliseconds(7'200'000));
  for (const char* text : {"", "5", "s", "5d", "-5s", "999999999h"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Quantity, Shares) {
  EXPECT_DOUBLE_EQ(*parse_share("0.25"), 0.25);
  EXPECT_DOUBLE_EQ(*parse_share("1"), 1.0);
  EXPECT_DOUBLE_EQ(*parse_share("0"), 0.0);
  for (const char* text : {"", ".", "0.", "1.1", "2", "-0.1", "x", "0.2x"}) {
    EXPECT_FALSE(parse_share(text)) << text;
  }
}

}  // namespace
}  // namespace postrider::bench
