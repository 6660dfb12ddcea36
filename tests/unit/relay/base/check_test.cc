#include "relay/base/check.h"

#include <gtest/gtest.h>
#include <string>

namespace postrider {
namespace {

TEST(CheckDeathTest, SaysWhereWhatAndState) {
  const int open = 1;
  EXPECT_DEATH(PR_CHECK(open == 0, "open " + std::to_string(open)),
               "check_test.cc:[0-9]+: check failed: open == 0 .open 1.");
}

TEST(CheckDeathTest, DoesWithoutState) {
  EXPECT_DEATH(PR_CHECK(false), "check failed: false\n");
}

TEST(Check, EvaluatesItsConditionOnceAndItsStateNever) {
  int conditions = 0;
  int states = 0;
  PR_CHECK(++conditions > 0, std::to_string(++states));
  EXPECT_EQ(conditions, 1);
  EXPECT_EQ(states, 0);
}

}  // namespace
}  // namespace postrider
