#include "queue/stepper.h"

#include <gtest/gtest.h>

#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

// The world's queue, with the stepper in place of settle().
class StepperTest : public ::testing::Test {
 protected:
  void settle() {
    for (int i = 0; i < 1000; ++i) {
      if (!stepper_.step()) return;
    }
    FAIL() << "it never sleeps";
  }

  std::optional<Refusal> submit() {
    std::optional<Refusal> answer;
    world_.core->submit(world_.message({"a@b.example"}),
                        [&answer](Refusal refusal) { answer = refusal; });
    settle();
    return answer;
  }

  World world_;
  Stepper stepper_{*world_.core, *world_.committer, *world_.reader};
};

TEST_F(StepperTest, DoesWhatASignalAsksFor) {
  settle();
  EXPECT_EQ(submit(), Refusal::kNone);
  EXPECT_EQ(world_.leases.size(), 1U);
}

TEST_F(StepperTest, IsDueAtOnceWhenSignalled) {
  settle();
  ASSERT_NE(stepper_.next(), world_.clock.now());
  world_.core->commit_signal.notify();
  EXPECT_EQ(stepper_.next(), world_.clock.now());
}

TEST_F(StepperTest, SleepsThroughWorkThatNobodySignals) {
  settle();
  world_.core->waiting.lock()->operations.emplace_back(AdminOp());
  EXPECT_FALSE(stepper_.step());
  EXPECT_EQ(world_.core->waiting.lock()->operations.size(), 1U);
}

TEST_F(StepperTest, WakesForWhatBecomesDue) {
  ASSERT_EQ(submit(), Refusal::kNone);
  world_.finish(world_.take(), Fate::kDeferred, std::chrono::minutes(5));
  settle();
  world_.clock.advance(std::chrono::minutes(5));
  ASSERT_TRUE(stepper_.next().has_value());
  EXPECT_LE(*stepper_.next(), world_.clock.now());
  settle();
  EXPECT_EQ(world_.leases.size(), 1U);
}

}  // namespace
}  // namespace postrider::queue
