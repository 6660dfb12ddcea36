// What the queue does when the store fails: a failed "write" leaves nothing behind, a failed "sync"
// leaves everything, unsynced.
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>
#include <utility>

#include "queue/committer.h"
#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using std::chrono::minutes;
using ::testing::IsEmpty;

class FailingStore : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Calls, FailingStore, ::testing::Values("write", "sync"));

TEST_P(FailingStore, RefusesAndRecoversByItself) {
  World world;
  world.fail(GetParam());
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kStoreFailed);
  EXPECT_FALSE(world.core->health().accepting);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kStoreFailed);
  world.advance(Committer::kProbeInterval);
  EXPECT_TRUE(world.core->health().accepting);
  EXPECT_EQ(world.store.size(), World::kEmptyStore);  // what was refused is not there, even in part
  EXPECT_EQ(world.core->stats().messages, 0U);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
  EXPECT_EQ(world.leases.size(), 1U);
}

TEST_P(FailingStore, IsTriedAtABoundedPace) {
  World world;
  std::uint64_t writes = 0;
  std::uint64_t reopened = 0;
  world.store.set_fault([&](std::string_view call, std::uint64_t) {
    if (call == "write") ++writes;
    if (call == "reopen") ++reopened;
    return call == GetParam();
  });
  world.submit({"b@example.com"});
  for (int i = 0; i < 1000; ++i) world.advance(Milliseconds(10));
  EXPECT_LE(writes, 22U);
  EXPECT_EQ(reopened, writes - 1);  // never written again without
  EXPECT_EQ(world.core->metrics.store_errors.value(), writes);
}

TEST_P(FailingStore, IsReopenedUntilThatSucceeds) {
  World world;
  world.submit({"b@example.com"});
  const std::string failing = GetParam();
  int to_fail = 4;
  world.store.set_fault([&, failed = false](std::string_view call, std::uint64_t) mutable {
    if (call == failing && !std::exchange(failed, true)) return true;
    return call == "reopen" && to_fail-- > 0;
  });
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kStoreFailed);
  for (int i = 0; i < 4; ++i) {
    world.advance(Committer::kProbeInterval);
    EXPECT_FALSE(world.core->health().accepting);
  }
  world.advance(Committer::kProbeInterval);
  EXPECT_TRUE(world.core->health().accepting);
  EXPECT_EQ(world.core->metrics.reopened.value(), 1U);
  EXPECT_EQ(world.core->stats().messages, 1U);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
}

// Submissions that were let in before the failure are answered at once, completions are kept.
TEST_P(FailingStore, NobodyWaitsForItsEnd) {
  Options options;
  options.group_max = 1;
  World world(options);
  world.submit({"b@example.com"});
  world.finish(world.take(), Fate::kDeferred, minutes(1));
  world.advance(minutes(1));
  std::vector<Refusal> answers;
  world.fail(GetParam(), 1, true);
  const auto submit = [&] {
    world.core->submit(world.message({"b@example.com"}), [&](Refusal r) { answers.push_back(r); });
  };
  submit();
  submit();
  Completion completion;
  completion.fates = {Fate::kDelivered};
  world.core->finish(world.take(), std::move(completion));
  submit();
  world.settle();
  EXPECT_EQ(answers, std::vector<Refusal>(3, Refusal::kStoreFailed));
  world.repair_store();
  world.advance(Committer::kProbeInterval);
  EXPECT_EQ(world.core->stats().messages, 0U);  // the completion was not lost
  EXPECT_EQ(world.core->waiting_count, 0U);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
}

// A write that does not end: the commit thread is in it, and the reader thread lives on.
class HangingWrite : public ::testing::Test {
 protected:
  static Options one_at_a_time() {
    Options options;
    options.group_max = 1;
    return options;
  }

  void submit(char name) {
    world_.core->submit(world_.message({"b@example.com"}), [this, name](Refusal refusal) {
      (refusal == Refusal::kBusy ? busy_ : taken_) += name;
    });
  }

  // What another thread does while the next write is under way.
  void during_next_write(std::function<void()> meanwhile) {
    world_.store.set_fault([meanwhile = std::move(meanwhile), began = false](
                               std::string_view call, std::uint64_t) mutable {
      if (call == "write" && !std::exchange(began, true)) std::thread(meanwhile).join();
      return false;
    });
  }

  void pass(Duration time) {
    world_.clock.advance(time);
    world_.reader->step();
  }

  World world_{one_at_a_time()};
  std::string taken_;  // the submissions, by how they were answered
  std::string busy_;
};

TEST_F(HangingWrite, NewMailIsRefusedAtOnceAndSoIsWhatHasWaitedForLong) {
  during_next_write([&] {
    submit('c');
    pass(Seconds(9));
    submit('d');
    EXPECT_TRUE(world_.core->health().accepting);
    pass(Seconds(2));
    EXPECT_FALSE(world_.core->health().accepting);
    EXPECT_EQ(busy_, "");
    submit('e');
    EXPECT_EQ(busy_, "e");
    pass(Seconds(20));
    EXPECT_EQ(busy_, "ebcd");  // b was taken with a already, for the next group
    EXPECT_EQ(world_.core->waiting_count, 0U);
    EXPECT_EQ(world_.core->waiting_bytes, 0U);
    submit('f');
  });
  submit('a');
  submit('b');
  world_.settle();
  EXPECT_EQ(taken_, "a");
  EXPECT_EQ(busy_, "ebcdf");
  EXPECT_EQ(world_.core->metrics.refused_busy.value(), 5U);
  EXPECT_EQ(world_.core->stats().messages, 1U);
  EXPECT_TRUE(world_.core->health().accepting);
  EXPECT_EQ(world_.submit({"b@example.com"}), Refusal::kNone);
  EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
}

TEST_F(HangingWrite, EndsOfDeliveriesWaitForIt) {
  world_.submit({"b@example.com"});
  world_.submit({"b@example.com"});
  during_next_write([&] {
    pass(std::chrono::minutes(5));
    EXPECT_EQ(busy_, "");
  });
  for (int i = 0; i < 2; ++i) {
    Completion completion;
    completion.fates = {Fate::kDelivered};
    world_.core->finish(world_.take(), std::move(completion));
  }
  world_.settle();
  EXPECT_EQ(world_.core->stats().messages, 0U);
}

TEST(StuckStore, IsReopenedBetweenGroups) {
  World world;
  world.submit({"b@example.com"});
  world.store.set_space(Space{.free = world.options.disk_reserve * 2});
  world.store.get_stuck();
  world.advance(Committer::kSpaceInterval);
  EXPECT_EQ(world.core->metrics.reopened.value(), 1U);
  EXPECT_TRUE(world.core->health().accepting);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_EQ(world.core->stats().messages, 1U);
}

// A sync that failed leaves it open what of the group reaches the disk. Whatever it is: nothing of
// it was acknowledged, and memory follows the disk.
TEST(FailingSync, OfTheFailedGroupAllOrNothingIsThere) {
  for (const std::size_t lost : {0U, 1U}) {
    World world;
    world.submit({"1@b.example", "2@c.example"});
    world.store.lose_on_reopen(lost);
    world.fail("sync");
    Completion completion;
    completion.fates = {Fate::kDelivered};
    world.core->finish(world.take(), std::move(completion));
    EXPECT_EQ(world.submit({"b@d.example"}), Refusal::kStoreFailed);
    world.advance(Committer::kProbeInterval);
    world.settle();
    EXPECT_EQ(world.leases.size(), lost == 0 ? 1U : 2U);
    EXPECT_EQ(world.core->stats().messages, 1U);
    EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  }
}

// Completions that were taken and not yet synced are gone with the failed group: memory cannot go
// back, so a new start has to.
TEST(FailingSync, LosingEarlierWritesEndsTheProcess) {
  World world;
  std::string why;
  world.core->end_process = [&why](const std::string& said) { why = said; };
  world.submit({"1@b.example", "2@c.example"});
  world.store.lose_on_reopen(2);
  world.finish(world.take(), Fate::kDelivered);  // written, not synced
  world.fail("sync");
  EXPECT_EQ(world.submit({"b@d.example"}), Refusal::kStoreFailed);
  world.advance(Committer::kProbeInterval);
  EXPECT_NE(why, "");
  EXPECT_FALSE(world.core->health().accepting);
  world.kill();
  world.open();
  world.settle();
  EXPECT_EQ(world.leases.size(), 2U);  // delivered once more: the at-least-once case
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
}

TEST_P(FailingStore, DeliveryPausesMeanwhile) {
  World world;
  world.submit({"b@example.com"});
  world.finish(world.take(), Fate::kDeferred, minutes(1));
  world.fail(GetParam(), 1, true);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kStoreFailed);
  world.advance(minutes(2));
  EXPECT_TRUE(world.leases.empty());
  world.repair_store();
  world.advance(Committer::kProbeInterval);
  world.settle();
  EXPECT_EQ(world.leases.size(), 1U);
}

TEST_P(FailingStore, AnEndThatFailedIsEitherDoneOrDueAgain) {
  World world;
  world.submit({"1@b.example", "2@c.example"});
  const std::size_t keys = world.store.size();
  world.fail(GetParam(), 1, true);
  // A submission in the same group, so that the group is synced.
  Completion completion;
  completion.fates = {Fate::kDelivered};
  world.core->finish(world.take(), std::move(completion));
  EXPECT_EQ(world.submit({"b@d.example"}), Refusal::kStoreFailed);
  world.repair_store();
  world.advance(Committer::kProbeInterval);
  world.settle();
  const bool took_effect = std::string_view(GetParam()) == "sync";
  EXPECT_EQ(world.leases.size(), took_effect ? 1U : 2U);
  EXPECT_EQ(world.store.size() < keys, took_effect);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
}

TEST_P(FailingStore, AReportFollowsItsEnd) {
  World world;
  world.submit({"b@example.com"});
  Completion completion;
  completion.fates = {Fate::kBounced};
  completion.report = world.message({"a@example.org"}, "report\r\n", "");
  world.fail(GetParam());
  world.core->finish(world.take(), std::move(completion));
  EXPECT_EQ(world.submit({"b@d.example"}), Refusal::kStoreFailed);
  world.advance(Committer::kProbeInterval);
  world.settle();
  const bool took_effect = std::string_view(GetParam()) == "sync";
  EXPECT_EQ(world.take().message().envelope.sender.is_null(), took_effect);
  EXPECT_EQ(world.core->stats().messages, 1U);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
}

TEST_P(FailingStore, StoppingWithItLosesNothingAnswered) {
  World world;
  world.submit({"b@example.com"});
  world.fail(GetParam(), 1, true);
  std::optional<Refusal> answer;
  world.core->submit(world.message({"b@example.com"}), [&](Refusal r) { answer = r; });
  world.close();
  EXPECT_EQ(answer, Refusal::kStoreFailed);
  world.repair_store();
  world.open();
  world.settle();
  EXPECT_GE(world.leases.size(), 1U);
}

}  // namespace
}  // namespace postrider::queue
