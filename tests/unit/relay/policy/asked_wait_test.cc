#include "relay/policy/asked_wait.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

TEST(AskedWait, IsANumberWithAUnitBehindAWordOfTime) {
  EXPECT_EQ(asked_wait("Greylisted, please try again in 300 seconds"), Seconds(300));
  EXPECT_EQ(asked_wait("Try again in 5 minutes."), Seconds(300));
  EXPECT_EQ(asked_wait("greylisted for 180s; see http://x.example/7"), Seconds(180));
  EXPECT_EQ(asked_wait("[TEMPFAIL] retry AFTER 1 Hour (ref 12 h)"), Seconds(3600));
  EXPECT_EQ(asked_wait("come back in 10min"), Seconds(600));
  EXPECT_EQ(asked_wait("more than 100 in 60 minutes"), Seconds(3600));
}

TEST(AskedWait, IsNothingElse) {
  for (const char* text :
       {"", "try again later", "try again in", "try again in 5", "in five minutes",
        "try again in 1000 ms", "5 minutes", "in 0 seconds", "in 99999999999999999999 seconds",
        "try again in 25 hours", "within 5 days", "begin 5 minutes"}) {
    EXPECT_EQ(asked_wait(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace postrider::policy
