// What the queue does when the store fails: a failed "write" leaves nothing behind, a failed "sync"
// leaves everything, unsynced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
