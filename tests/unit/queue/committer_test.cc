// The queue's behaviour, a small case each: commit groups, completions, syncs, the failing store.
#include "queue/committer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t kEmptyStore = 2;  // schema and totals

TEST(Submitting, IsSyncedBeforeTheAnswer) {
  World world;
  const std::uint64_t before = world.store.syncs();
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
  EXPECT_EQ(world.store.syncs(), before + 1);
}

TEST(Submitting, WaitingTogetherCostsOneSync) {
  World world;
  int answers = 0;
  for (int i = 0; i < 50; ++i) {
    world.core->submit(world.message({"b@example.com"}), [&](Refusal) { ++answers; });
  }
  const std::uint64_t before = world.store.syncs();
  world.settle();
  EXPECT_EQ(answers, 50);
  EXPECT_EQ(world.store.syncs(), before + 1);
}

TEST(Submitting, FreshMailIsLeasedAtOnceWithItsBody) {
  World world;
  world.submit({"b@example.com"}, "Subject: x\r\n\r\ntext\r\n");
  ASSERT_EQ(world.leases.size(), 1U);
  const Lease lease = world.take();
  EXPECT_EQ(lease.domain(), "example.com");
  EXPECT_EQ(lease.attempts(), 0U);
  ASSERT_TRUE(lease.body());
  EXPECT_EQ(lease.body()->to_string(), "Subject: x\r\n\r\ntext\r\n");
  EXPECT_EQ(world.core->stats().lease_bytes, 20U);
}

TEST(Submitting, SplitsByDomainInOrder) {
  World world;
  world.submit({"1@b.example", "2@c.example", "3@b.example"});
  ASSERT_EQ(world.leases.size(), 2U);
  EXPECT_EQ(world.leases[0].domain(), "b.example");
  EXPECT_EQ(world.leases[0].recipients().size(), 2U);
  EXPECT_EQ(world.leases[0].recipients()[1].address.local, "3");
  EXPECT_EQ(world.leases[1].number(), 1U);
  EXPECT_EQ(&world.leases[0].message(), &world.leases[1].message());
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
}

TEST(Submitting, SplitsLargeDomains) {
  Options options;
  options.recipients_per_delivery = 2;
  World world(options);
  world.submit({"1@b.example", "2@b.example", "3@b.example", "4@b.example", "5@b.example"});
  ASSERT_EQ(world.leases.size(), 3U);
  EXPECT_EQ(world.leases[2].recipients().size(), 1U);
  EXPECT_EQ(world.leases[0].message().deliveries, 3U);
}

TEST(Submitting, EmptyAndLargeBodiesComeBackWhole) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kBodyChunkSize - 1, kBodyChunkSize,
                                 kBodyChunkSize + 1, 3 * kBodyChunkSize + 7}) {
    World world;
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; i += 97) text[i] = static_cast<char>('a' + i % 26);
    world.submit({"b@example.com"}, text);
    world.finish(world.take(), Fate::kDeferred);
    world.advance(minutes(6));
    std::optional<Result<void>> loaded;
    world.core->read_body(world.take(), [&](Lease lease, Result<void> result) {
      loaded = result;
      ASSERT_TRUE(result) << size;
      EXPECT_EQ(lease.body()->to_string(), text);
      world.leases.push_back(std::move(lease));
    });
    world.settle();
    ASSERT_TRUE(loaded) << size;
    world.finish(world.take(), Fate::kDelivered);
    EXPECT_EQ(world.store.size(), kEmptyStore) << size;
  }
}

TEST(Submitting, ABodyInManyPiecesIsOneText) {
  World world;
  Submission submission = world.message({"b@example.com"}, "");
  std::string text;
  for (std::size_t i = 0; i < 3000; ++i) {
    std::string piece(1 + i % 80, static_cast<char>('a' + i % 26));
    text += piece;
    submission.body.append(Chunk(std::move(piece)));
  }
  world.submit(std::move(submission));
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  EXPECT_EQ(world.take().body()->to_string(), text);
}

TEST(Submitting, BodiesBeyondTheBudgetAreLeftOnDisk) {
  Options options;
  options.lease_bytes_max = 10;
  World world(options);
  world.submit({"b@example.com"}, "12345678");
  world.submit({"b@example.com"}, "12345678");
  ASSERT_EQ(world.leases.size(), 2U);
  EXPECT_TRUE(world.leases[0].body());
  EXPECT_FALSE(world.leases[1].body());
}

TEST(Limits, RefuseMessagesBeyondTheirNumber) {
  Options options;
  options.messages_max = 2;
  World world(options);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
  EXPECT_FALSE(world.core->health().accepting);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kMessagesFull);
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_TRUE(world.core->health().accepting);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
}

TEST(Limits, RefuseOctetsBeyondTheirNumberAlsoAfterARestart) {
  Options options;
  options.bytes_max = 10;
  World world(options);
  EXPECT_EQ(world.submit({"b@example.com"}, "1234567"), Refusal::kNone);
  EXPECT_EQ(world.submit({"b@example.com"}, "1234"), Refusal::kBytesFull);
  world.close();
  world.open();
  EXPECT_EQ(world.submit({"b@example.com"}, "1234"), Refusal::kBytesFull);
  EXPECT_EQ(world.submit({"b@example.com"}, "123"), Refusal::kNone);
}

TEST(Limits, RefuseMoreWaitingThanAllowed) {
  Options options;
  options.commit_waiting_max = 1;
  World world(options);
  std::vector<Refusal> answers;
  for (int i = 0; i < 2; ++i) {
    world.core->submit(world.message({"b@example.com"}), [&](Refusal r) { answers.push_back(r); });
  }
  world.settle();
  EXPECT_THAT(answers, ElementsAre(Refusal::kBusy, Refusal::kNone));
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
}

TEST(Limits, CountEachRefusalByItsReason) {
  Options options;
  options.messages_max = 2;
  options.commit_waiting_max = 1;
  World world(options);
  const auto refused = [&world](std::string_view reason) {
    return world.registry.counter(metrics::Metric::kQueueRefused, reason).value();
  };
  for (int i = 0; i < 2; ++i) world.core->submit(world.message({"b@example.com"}), {});
  EXPECT_EQ(refused("busy"), 1U);
  world.settle();
  world.store.set_space(Space{.free = options.disk_reserve});
  world.advance(Seconds(1));
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNoSpace);
  EXPECT_EQ(refused("no_space"), 1U);
  world.store.set_space(Space{.free = options.disk_reserve * 2});
  world.advance(Seconds(1));
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kMessagesFull);
  EXPECT_EQ(refused("messages_max"), 1U);
  world.finish(world.take(), Fate::kDelivered);
  world.fail("write", 1, true);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kStoreFailed);
  EXPECT_EQ(refused("store_failed"), 1U);
  EXPECT_EQ(refused("busy") + refused("no_space") + refused("messages_max"), 3U);
  world.repair_store();
}

TEST(Limits, CountRefusalsOfOctetsAndTenantsApart) {
  Options options;
  options.bytes_max = 100;
  options.tenant_messages_max = 2;
  options.tenant_bytes_max = 50;
  World world(options);
  const auto refused = [&world](std::string_view reason) {
    return world.registry.counter(metrics::Metric::kQueueRefused, reason).value();
  };
  const auto submit = [&world](const std::string& tenant, std::size_t size) {
    Submission submission = world.message({"b@example.com"}, std::string(size, 'x'));
    submission.envelope.tenant = tenant;
    return world.submit(std::move(submission));
  };
  EXPECT_EQ(submit("a", 51), Refusal::kTenantBytesFull);
  EXPECT_EQ(submit("a", 1), Refusal::kNone);
  EXPECT_EQ(submit("a", 1), Refusal::kNone);
  EXPECT_EQ(submit("a", 1), Refusal::kTenantMessagesFull);
  EXPECT_EQ(submit("b", 50), Refusal::kNone);
  EXPECT_EQ(submit("c", 49), Refusal::kBytesFull);
  for (const char* reason : {"bytes_max", "tenant_messages_max", "tenant_bytes_max"}) {
    EXPECT_EQ(refused(reason), 1U) << reason;
  }
}

TEST(Limits, KeepTheDiskReserve) {
  World world;
  const std::uint64_t reserve = world.options.disk_reserve;
  world.store.set_space(Space{.free = reserve + 10'000});
  world.advance(Seconds(1));
  EXPECT_EQ(world.submit({"b@example.com"}, std::string(5000, 'x')), Refusal::kNoSpace);
  EXPECT_EQ(world.submit({"b@example.com"}, std::string(1000, 'x')), Refusal::kNone);
  world.store.set_space(Space{.free = reserve});
  world.advance(Seconds(1));
  EXPECT_FALSE(world.core->health().accepting);
  world.store.set_space(Space{.free = reserve * 2});
  world.advance(Seconds(1));
  EXPECT_TRUE(world.core->health().accepting);
}

// What is free and already spoken for cannot be given to mail.
TEST(Limits, WhatTheStoreOwesIsNotFree) {
  World world;
  const std::uint64_t reserve = world.options.disk_reserve;
  world.store.set_space(Space{.free = 2 * reserve, .owed = reserve});
  world.advance(Seconds(1));
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNoSpace);
  world.store.set_space(Space{.free = 2 * reserve, .owed = reserve / 2});
  world.advance(Seconds(1));
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
}

// Between two looks at the clock: what was taken in since counts, with what the store adds to it.
TEST(Limits, TheReserveHoldsBetweenLooksAtTheClock) {
  World world;
  const std::uint64_t reserve = world.options.disk_reserve;
  const std::string body(100'000, 'x');
  world.store.set_space(Space{.free = reserve + (2U << 20)});
  world.advance(Seconds(1));
  std::uint64_t taken = 0;
  while (world.submit({"b@example.com"}, body) == Refusal::kNone) ++taken;
  EXPECT_GE(taken, 9U);  // 1 MiB in log and 1 MiB in tables
  EXPECT_LE(taken, 10U);
}

TEST(Limits, ADiskWithoutInodesTakesNoMail) {
  World world;
  const std::uint64_t reserve = world.options.disk_reserve;
  world.store.set_space(Space{.free = 2 * reserve, .files = Committer::kFilesReserve});
  world.advance(Seconds(1));
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNoSpace);
  EXPECT_FALSE(world.core->health().accepting);
  world.store.set_space(Space{.free = 2 * reserve, .files = Committer::kFilesReserve + 1});
  world.advance(Seconds(1));
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
}

TEST(Limits, CompletionsUseTheReserveAndDeliveryPausesBelowTheirNeed) {
  World world;
  for (int i = 0; i < 3; ++i) world.submit({"b@example.com"});
  world.finish(world.take(), Fate::kDeferred, minutes(1));
  world.store.set_space(Space{.free = world.options.disk_reserve / 2});
  world.advance(minutes(2));
  EXPECT_EQ(world.leases.size(), 3U);  // refuses mail, and delivers
  world.finish(world.take(), Fate::kDeferred, minutes(1));
  world.store.set_space(Space{.free = Committer::kLastOctets});
  world.advance(minutes(2));
  EXPECT_EQ(world.leases.size(), 2U);            // no more are handed out,
  world.finish(world.take(), Fate::kDelivered);  // and those that are can end
  EXPECT_EQ(world.core->stats().messages, 2U);
  world.store.set_space(Space{.free = Committer::kLastOctets + 4 * Committer::kCompletionOctets});
  world.advance(Seconds(1));
  EXPECT_EQ(world.leases.size(), 2U);  // goes on by itself
}

TEST(Finishing, TheLastEndRemovesEverything) {
  World world;
  world.submit({"1@b.example", "2@c.example"});
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_EQ(world.core->stats().messages, 1U);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  world.finish(world.take(), Fate::kBounced);
  EXPECT_EQ(world.core->stats().messages, 0U);
  EXPECT_EQ(world.core->stats().queues, 0U);
  EXPECT_EQ(world.store.size(), kEmptyStore);
}

TEST(Finishing, TwoEndsOfOneMessageInOneGroup) {
  World world;
  world.submit({"1@b.example", "2@c.example", "3@d.example"});
  for (int i = 0; i < 3; ++i) {
    Completion completion;
    completion.fates = {Fate::kDelivered};
    world.core->finish(world.take(), std::move(completion));
  }
  world.settle();
  EXPECT_EQ(world.store.size(), kEmptyStore);
}

// As the outside reads it: each recipient ends once, by one way.
std::string ended(World& world, std::string_view how) {
  return std::to_string(world.registry.counter(metrics::Metric::kQueueEnded, how).value());
}

TEST(Finishing, CountsEachRecipientOnceByHowItEnded) {
  World world;
  world.submit({"1@b.example", "2@b.example", "3@b.example", "4@b.example", "5@b.example"});
  Completion completion;
  completion.fates = {Fate::kDelivered, Fate::kDelivered, Fate::kBounced, Fate::kExpired,
                      Fate::kDeferred};
  completion.next_attempt = world.clock.wall() + minutes(5);
  world.core->finish(world.take(), std::move(completion));
  world.settle();
  const auto counts = [&world] {
    return ended(world, "delivered") + ended(world, "bounced") + ended(world, "expired");
  };
  EXPECT_EQ(counts(), "211");
  world.advance(minutes(5));
  EXPECT_EQ(counts(), "211");  // the one that waited has not ended
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_EQ(counts(), "311");
}

TEST(Finishing, ThatTheStoreFailedToTakeIsNotCounted) {
  World world;
  world.submit({"b@example.com"});
  world.fail("write", 1, true);
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_EQ(ended(world, "delivered"), "0");
  world.repair_store();
  world.advance(minutes(10));
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_EQ(ended(world, "delivered"), "1");
}

TEST(FinishingDeathTest, ALeaseEndsOnlyOnce) {
  World world;
  world.submit({"b@example.com"});
  Lease lease = world.take();
  const Lease moved = std::move(lease);
  EXPECT_DEATH(world.core->finish(std::move(lease), {}),
               "lease.valid");  // NOLINT(bugprone-use-after-move)
}

TEST(Finishing, DeferredRecipientsComeBackWhenDue) {
  World world;
  world.submit({"1@b.example", "2@b.example", "3@b.example"});
  Completion completion;
  completion.fates = {Fate::kDelivered, Fate::kDeferred, Fate::kBounced};
  completion.next_attempt = world.clock.wall() + minutes(5);
  completion.status = {451, {4, 7, 1}, "greylisted"};
  completion.delay_reported = true;
  world.core->finish(world.take(), std::move(completion));
  world.advance(minutes(4));
  EXPECT_TRUE(world.leases.empty());
  world.advance(minutes(1));
  const Lease lease = world.take();
  ASSERT_EQ(lease.recipients().size(), 1U);
  EXPECT_EQ(lease.recipients()[0].address.to_string(), "2@b.example");
  EXPECT_EQ(lease.attempts(), 1U);
  EXPECT_TRUE(lease.delay_reported());
  EXPECT_EQ(lease.last_status().text, "greylisted");
}

TEST(Finishing, PutOffWithoutATryCountsNoAttempt) {
  World world;
  world.submit({"b@example.com"});
  Completion completion;
  completion.fates = {Fate::kDeferred};
  completion.attempted = false;
  completion.next_attempt = world.clock.wall();
  world.core->finish(world.take(), std::move(completion));
  world.settle();
  EXPECT_EQ(world.take().attempts(), 0U);
}

TEST(Finishing, DeferringToTheSameDueTimeLosesNothing) {
  World world;
  world.submit({"b@example.com"});
  Completion completion;
  completion.fates = {Fate::kDeferred};
  completion.next_attempt = world.clock.wall();  // what it was due at
  world.core->finish(world.take(), std::move(completion));
  world.settle();
  EXPECT_EQ(world.leases.size(), 1U);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
}

TEST(Finishing, IsSyncedWithinTheInterval) {
  World world;
  world.submit({"b@example.com"});
  const std::uint64_t before = world.store.syncs();
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_EQ(world.store.syncs(), before);
  ASSERT_TRUE(world.committer->deadline());
  EXPECT_LE(*world.committer->deadline() - world.clock.now(), Milliseconds(100));
  world.advance(Milliseconds(100));
  EXPECT_EQ(world.store.syncs(), before + 1);
  world.advance(Seconds(10));
  EXPECT_EQ(world.store.syncs(), before + 1);
}

TEST(Finishing, AReportExistsExactlyIfTheEndDoes) {
  World world;
  world.submit({"b@example.com"});
  Completion completion;
  completion.fates = {Fate::kBounced};
  completion.report = world.message({"a@example.org"}, "report\r\n", "");
  completion.events = "bounced\n";
  completion.report->events = "report\n";
  world.core->finish(world.take(), std::move(completion));
  world.settle();
  const Lease report = world.take();
  EXPECT_TRUE(report.message().envelope.sender.is_null());
  EXPECT_EQ(report.body()->to_string(), "report\r\n");
  EXPECT_EQ(world.events, "bounced\nreport\n");
  EXPECT_EQ(world.core->stats().messages, 1U);
}

TEST(Finishing, EventsOfAnEndComeBeforeItsBatch) {
  World world;
  world.submit({"b@example.com"});
  Completion completion;
  completion.fates = {Fate::kDelivered};
  completion.events = "delivered\n";
  world.fail("write");
  world.core->finish(world.take(), std::move(completion));
  world.committer->step();
  EXPECT_EQ(world.events, "delivered\n");
}

TEST(Leases, GivenBackUndoneAreDueAgainAtOnce) {
  World world;
  world.submit({"b@example.com"});
  { const Lease lease = world.take(); }
  world.settle();
  const Lease again = world.take();
  EXPECT_EQ(again.attempts(), 0U);
  EXPECT_EQ(world.core->stats().leases, 1U);
}

TEST(Leases, MoveLeavesTheSourceEmpty) {
  World world;
  world.submit({"b@example.com"});
  Lease lease = world.take();
  Lease other = std::move(lease);
  EXPECT_FALSE(lease.valid());  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_TRUE(other.valid());
  other = Lease();
  world.settle();
  EXPECT_EQ(world.leases.size(), 1U);
}

TEST(Leases, StayWithinTheirNumberAndTheRestFollows) {
  Options options;
  options.leases_max = 8;
  World world(options);
  for (int i = 0; i < 20; ++i) world.submit({"b@d" + std::to_string(i) + ".example"});
  EXPECT_EQ(world.leases.size(), 8U);
  int delivered = 0;
  while (!world.leases.empty()) {
    world.finish(world.take(), Fate::kDelivered);
    EXPECT_LE(world.leases.size(), 8U);
    ++delivered;
  }
  EXPECT_EQ(delivered, 20);
  EXPECT_EQ(world.store.size(), kEmptyStore);
}

TEST(Leases, OneQueueLeavesRoomForOthers) {
  Options options;
  options.leases_per_queue_max = 2;
  World world(options);
  for (int i = 0; i < 5; ++i) world.submit({"b@slow.example"});
  world.submit({"b@other.example"});
  ASSERT_EQ(world.leases.size(), 3U);
  EXPECT_EQ(world.leases[2].domain(), "other.example");
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_EQ(world.leases.size(), 3U);
}

TEST(Leases, OneQueueHasNoMoreThanAreFree) {
  Options options;
  options.leases_max = 8;
  World world(options);
  for (int i = 0; i < 20; ++i) world.submit({"b@slow.example"});
  EXPECT_EQ(world.leases.size(), 4U);
  world.submit({"b@other.example"});
  EXPECT_EQ(world.leases.size(), 5U);
}

TEST(Leases, QueuesTakeTurns) {
  World world;
  for (int i = 0; i < 200; ++i) world.submit({"b@big.example"});
  world.submit({"b@small.example"});
  world.kill();
  world.open();
  world.settle();
  ASSERT_EQ(world.leases.size(), 201U);
  std::size_t at = 0;
  while (world.leases[at].domain() != "small.example") ++at;
  EXPECT_LE(at, Reader::kTurn);
}

TEST(Restarting, BringsBackWhatHasNotEnded) {
  World world;
  world.submit({"1@b.example", "2@c.example"});
  world.finish(world.take(), Fate::kDelivered);
  world.finish(world.take(), Fate::kDeferred, hours(1));
  world.kill();
  world.open();
  EXPECT_EQ(world.core->stats().messages, 1U);
  EXPECT_EQ(world.core->stats().deliveries, 1U);
  world.settle();
  EXPECT_TRUE(world.leases.empty());
  world.advance(hours(1));
  EXPECT_EQ(world.take().domain(), "c.example");
}

TEST(Restarting, IdsGoOnAboveAllEverGiven) {
  World world;
  Submission submission = world.message({"b@example.com"});
  const MessageId last = submission.id;
  world.submit(std::move(submission));
  world.finish(world.take(), Fate::kDelivered);
  world.kill();
  world.clock.advance(-hours(5));
  world.open();
  EXPECT_GT(world.core->ids.next(), last);
}

TEST(PowerLoss, KeepsWhatWasAnswered) {
  World world;
  world.submit({"b@example.com"});
  world.lose_power();
  world.open();
  world.settle();
  EXPECT_EQ(world.leases.size(), 1U);
}

TEST(PowerLoss, MayRepeatADeliveryOfTheLastMoment) {
  World world;
  world.submit({"b@example.com"});
  world.finish(world.take(), Fate::kDelivered);
  world.lose_power();
  world.open();
  world.settle();
  EXPECT_EQ(world.leases.size(), 1U);
  world.finish(world.take(), Fate::kDelivered);
  world.advance(Milliseconds(100));
  world.lose_power();
  world.open();
  world.settle();
  EXPECT_TRUE(world.leases.empty());
}

TEST(Stopping, AnswersEverythingAndSyncs) {
  World world;
  world.submit({"b@example.com"});
  Completion completion;
  completion.fates = {Fate::kDelivered};
  std::optional<Refusal> answer;
  world.core->finish(world.take(), std::move(completion));
  world.core->submit(world.message({"b@example.com"}), [&](Refusal r) { answer = r; });
  world.close();
  EXPECT_EQ(answer, Refusal::kNone);
  world.store.lose_power();
  world.open();
  EXPECT_EQ(world.core->stats().messages, 1U);
}

TEST(Stopping, TakesMailButLeasesNoMore) {
  World world;
  world.core->stop_leasing();
  EXPECT_FALSE(world.core->health().accepting);
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kNone);
  EXPECT_TRUE(world.leases.empty());
  world.core->closed = true;
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kStopping);
}

TEST(Stopping, ASubmissionThatComesTooLateIsAnswered) {
  World world;
  world.committer->finish_all();
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kStopping);
  EXPECT_EQ(world.core->stats().commit_waiting, 0U);
}

}  // namespace
}  // namespace postrider::queue
