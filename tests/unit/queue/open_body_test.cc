// Texts that are written while they arrive.
#include "queue/open_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using ::testing::IsEmpty;

constexpr std::size_t kUnit = OpenBody::kPartUnit;

std::string of_size(std::size_t size) {
  return std::string(size, 'x');
}

TEST(OpenBody, BecomesPartOfAMessage) {
  World world;
  std::string text;
  Submission submission = world.large_message(text, 6);
  EXPECT_EQ(submission.size(), text.size());
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  EXPECT_EQ(world.submit(std::move(submission)), Refusal::kNone);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  EXPECT_EQ(world.core->stats().bytes, text.size());
  Lease lease = world.take();
  EXPECT_FALSE(lease.body());  // most of it was not in memory any more
  EXPECT_EQ(lease.message().pieces(), 2U);
  EXPECT_TRUE(world.read_pieces(lease) == text);
  EXPECT_TRUE(world.read_whole(lease) == text);
  world.finish(std::move(lease), Fate::kDelivered);
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
}

// Every number of chunks around the ends of pieces.
TEST(OpenBody, IsReadInAsManyPiecesAsItHas) {
  for (const std::size_t parts : {0U, 1U, 2U, 3U, 4U, 7U, 8U}) {
    for (const std::size_t rest : {std::size_t{0}, std::size_t{1}, kUnit - 1, kUnit, kUnit + 1}) {
      World world;
      std::string text;
      EXPECT_EQ(world.submit(world.large_message(text, parts, of_size(rest))), Refusal::kNone);
      Lease lease = world.take();
      EXPECT_TRUE(world.read_pieces(lease) == text) << parts << " and " << rest;
      EXPECT_TRUE(world.read_whole(lease) == text) << parts << " and " << rest;
      EXPECT_THAT(Fsck::check(world.store), IsEmpty());
      world.finish(std::move(lease), Fate::kDelivered);
      EXPECT_EQ(world.store.size(), World::kEmptyStore);
    }
  }
}

TEST(OpenBody, ItsFrontHasAnyLength) {
  for (const std::size_t front : {std::size_t{1}, kUnit, kUnit + 1, OpenBody::kFrontMax}) {
    World world;
    std::string text;
    const std::string from = of_size(front);
    EXPECT_EQ(world.submit(world.large_message(text, 4, "end\r\n", from)), Refusal::kNone);
    Lease lease = world.take();
    EXPECT_EQ(lease.message().front, front);
    EXPECT_TRUE(world.read_pieces(lease) == text);
    EXPECT_THAT(Fsck::check(world.store), IsEmpty());
    world.finish(std::move(lease), Fate::kDelivered);
    EXPECT_EQ(world.store.size(), World::kEmptyStore);
  }
}

TEST(OpenBody, OneThatCameToNothingWritesNothing) {
  World world;
  { const OpenBody body = world.open_body(world.core->ids.next()); }
  OpenBody ended = world.open_body(world.core->ids.next());
  ended.end(message::Body("x"));
  EXPECT_EQ(ended.size(), 1U);
  ended = {};
  EXPECT_FALSE(ended.valid());
  EXPECT_EQ(ended.size(), 0U);
  world.settle();
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
  EXPECT_EQ(world.core->metrics.commits.value(), 0U);
}

TEST(OpenBody, IsErasedWhenItIsDestroyed) {
  World world;
  OpenBody body = world.open_body(world.core->ids.next());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world.append(body, of_size(2 * kUnit)), Refusal::kNone);
  EXPECT_EQ(world.store.size(), World::kEmptyStore + 6 + 1);
  EXPECT_EQ(world.core->stats().open_bodies, 1U);
  EXPECT_EQ(world.core->stats().open_bytes, 6 * kUnit);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  OpenBody moved = std::move(body);
  world.settle();
  EXPECT_EQ(world.store.size(), World::kEmptyStore + 6 + 1);
  moved = world.open_body(world.core->ids.next());
  world.settle();
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
  EXPECT_EQ(world.core->stats().open_bodies, 1U);
  EXPECT_EQ(world.core->stats().open_bytes, 0U);
}

TEST(OpenBody, APartAndItsAbandonmentMayMeetInOneGroup) {
  for (const int before : {0, 1}) {
    World world;
    OpenBody body = world.open_body(world.core->ids.next());
    for (int i = 0; i < before; ++i) EXPECT_EQ(world.append(body, of_size(kUnit)), Refusal::kNone);
    int answers = 0;
    body.append(message::Body(of_size(kUnit)), [&answers](Refusal) { ++answers; });
    body = {};
    world.settle();
    EXPECT_EQ(answers, 1);
    EXPECT_EQ(world.store.size(), World::kEmptyStore);
    EXPECT_EQ(world.core->waiting_count, 0U);
    EXPECT_EQ(world.core->waiting_bytes, 0U);
  }
}

TEST(OpenBody, PartsAreNotSyncedByThemselvesButSoon) {
  World world;
  world.advance(Seconds(1));
  const std::uint64_t before = world.store.syncs();
  OpenBody body = world.open_body(world.core->ids.next());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(world.append(body, of_size(kUnit)), Refusal::kNone);
  EXPECT_EQ(world.store.syncs(), before);
  world.advance(world.options.completion_sync_interval);
  EXPECT_EQ(world.store.syncs(), before + 1);
}

TEST(OpenBody, IsErasedWhenItsSubmissionIsRefused) {
  Options options;
  options.bytes_max = 3 * kUnit;
  World world(options);
  std::string text;
  EXPECT_EQ(world.submit(world.large_message(text, 3)), Refusal::kBytesFull);
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
  EXPECT_EQ(world.core->admitted_bytes, 0U);
  EXPECT_EQ(world.submit(world.large_message(text, 2)), Refusal::kNone);
  EXPECT_EQ(world.core->admitted_bytes, text.size());
}

TEST(OpenBody, LimitsOfATenantCountTheWholeOfIt) {
  Options options;
  options.tenant_bytes_max = 3 * kUnit;
  World world(options);
  std::string text;
  EXPECT_EQ(world.submit(world.large_message(text, 3)), Refusal::kTenantBytesFull);
  EXPECT_EQ(world.submit(world.large_message(text, 2)), Refusal::kNone);
  EXPECT_EQ(world.core->tenants.lock()->admitted("").bytes, text.size());
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
}

TEST(OpenBody, WaitingPartsAreBounded) {
  Options options;
  options.commit_waiting_bytes_max = 2 * kUnit;
  World world(options);
  std::vector<Refusal> answers;
  std::vector<OpenBody> bodies;
  for (int i = 0; i < 3; ++i) {
    bodies.push_back(world.open_body(world.core->ids.next()));
    bodies.back().append(message::Body(of_size(kUnit)),
                         [&answers](Refusal refusal) { answers.push_back(refusal); });
  }
  EXPECT_EQ(answers, std::vector<Refusal>{Refusal::kBusy});
  EXPECT_EQ(world.submit({"b@example.com"}), Refusal::kBusy);
  EXPECT_EQ(answers.size(), 3U);
  bodies.clear();
  world.settle();
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
  EXPECT_EQ(world.core->waiting_bytes, 0U);
  EXPECT_EQ(world.core->waiting_count, 0U);
}

// Of what waits, a submission counts what it holds; what is written was charged when it was.
TEST(OpenBody, WhatIsWrittenIsChargedOnce) {
  Options options;
  options.commit_waiting_bytes_max = kUnit;
  World world(options);
  const std::uint64_t reserve = world.options.disk_reserve;
  world.store.set_space(Space{.free = reserve + 12 * kUnit});
  world.advance(Seconds(1));
  std::string text;
  Submission submission = world.large_message(text, 5);
  EXPECT_LT(world.core->space_left, static_cast<std::int64_t>(2 * kUnit));
  EXPECT_EQ(world.submit(std::move(submission)), Refusal::kNone);
}

TEST(OpenBody, ADiskThatFillsUpRefusesTheNextPart) {
  World world;
  const std::uint64_t reserve = world.options.disk_reserve;
  world.store.set_space(Space{.free = reserve + 5 * kUnit});
  world.advance(Seconds(1));
  OpenBody body = world.open_body(world.core->ids.next());
  EXPECT_EQ(world.append(body, of_size(kUnit)), Refusal::kNone);
  EXPECT_EQ(world.append(body, of_size(2 * kUnit)), Refusal::kNoSpace);
  EXPECT_EQ(body.size(), kUnit);
  // The erasure may use the reserve.
  world.store.set_space(Space{.free = 0});
  world.advance(Seconds(1));
  body = {};
  world.settle();
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
}

TEST(OpenBody, AnEndingQueueTakesNoPartAndErasesWhatIsThere) {
  World world;
  OpenBody body = world.open_body(world.core->ids.next());
  EXPECT_EQ(world.append(body, of_size(kUnit)), Refusal::kNone);
  world.core->closed = true;
  EXPECT_EQ(world.append(body, of_size(kUnit)), Refusal::kStopping);
  body = {};
  world.close();
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
}

TEST(OpenBody, ShowsAmongTheMetrics) {
  World world;
  OpenBody body = world.open_body(world.core->ids.next());
  EXPECT_EQ(world.append(body, of_size(kUnit)), Refusal::kNone);
  const std::string text = world.registry.expose();
  EXPECT_THAT(text, ::testing::HasSubstr("\npostrider_queue_open_bodies 1\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("\npostrider_queue_open_bytes 65536\n"));
}

TEST(OpenBody, AReportMayHaveOne) {
  World world;
  world.submit({"b@example.com"});
  std::string text;
  Completion completion;
  completion.fates = {Fate::kBounced};
  completion.report = world.large_message(text, 5);
  world.core->finish(world.take(), std::move(completion));
  world.settle();
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  EXPECT_TRUE(world.read_pieces(world.take()) == text);
}

TEST(OpenBody, WhatDoesNotVerifyIsDamage) {
  World world;
  std::string text;
  EXPECT_EQ(world.submit(world.large_message(text, 6)), Refusal::kNone);
  const Lease lease = world.take();
  for (const std::uint32_t chunk : {0U, 2U, 5U}) {
    world.store.damage(body_key(lease.message().id, chunk));
    std::optional<Result<message::Body>> answer;
    world.core->read_piece(lease, chunk / kChunksPerPiece,
                           [&answer](Result<message::Body> read) { answer = std::move(read); });
    world.settle();
    ASSERT_TRUE(answer && !*answer);
    EXPECT_TRUE(is_damage(answer->error()));
  }
}

// --- a store that fails ---

class OpenBodyFailing : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Calls, OpenBodyFailing, ::testing::Values("write", "sync"));

TEST_P(OpenBodyFailing, APartIsRefusedAndAllOfItErased) {
  World world;
  OpenBody body = world.open_body(world.core->ids.next());
  EXPECT_EQ(world.append(body, of_size(kUnit)), Refusal::kNone);
  world.fail(GetParam());
  world.core->submit(world.message({"b@example.com"}), {});  // so that the group is synced
  EXPECT_EQ(world.append(body, of_size(kUnit)), Refusal::kStoreFailed);
  OpenBody other = world.open_body(world.core->ids.next());
  EXPECT_EQ(world.append(other, of_size(kUnit)), Refusal::kStoreFailed);
  body = {};
  world.settle();
  EXPECT_FALSE(world.core->health().accepting);
  world.advance(Committer::kProbeInterval);
  EXPECT_TRUE(world.core->health().accepting);
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
}

TEST_P(OpenBodyFailing, OnesThatWaitAreRefusedAtOnce) {
  Options options;
  options.group_max = 1;
  World world(options);
  std::vector<Refusal> answers;
  const auto note = [&answers](Refusal refusal) { answers.push_back(refusal); };
  world.fail(GetParam(), 1, true);
  world.core->submit(world.message({"b@example.com"}), note);
  std::vector<OpenBody> bodies;
  for (int i = 0; i < 3; ++i) {
    bodies.push_back(world.open_body(world.core->ids.next()));
    bodies.back().append(message::Body(of_size(kUnit)), note);
  }
  world.settle();
  EXPECT_EQ(answers, std::vector<Refusal>(4, Refusal::kStoreFailed));
  EXPECT_EQ(world.core->waiting_bytes, 0U);
  bodies.clear();
  world.repair_store();
  world.advance(Committer::kProbeInterval);
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
}

TEST_P(OpenBodyFailing, ASubmissionIsErasedWithAllItsParts) {
  for (const std::size_t lost : {0U, 1U}) {
    World world;
    std::string text;
    Submission submission = world.large_message(text, 5);
    world.advance(Seconds(1));  // the parts are synced
    world.store.lose_on_reopen(lost);
    world.fail(GetParam());
    EXPECT_EQ(world.submit(std::move(submission)), Refusal::kStoreFailed);
    world.advance(Committer::kProbeInterval);
    EXPECT_EQ(world.store.size(), World::kEmptyStore);
    EXPECT_EQ(world.core->stats().open_bodies, 0U);
  }
}

TEST_P(OpenBodyFailing, ASubmissionThatWaitsLeavesNothingEither) {
  Options options;
  options.group_max = 1;
  World world(options);
  std::string text;
  Submission submission = world.large_message(text, 5);
  world.fail(GetParam(), 1, true);
  world.core->submit(world.message({"b@example.com"}), {});
  EXPECT_EQ(world.submit(std::move(submission)), Refusal::kStoreFailed);
  world.repair_store();
  world.advance(Committer::kProbeInterval);
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
}

TEST_P(OpenBodyFailing, AnAbandonmentWaitsForTheStore) {
  Options options;
  options.completion_sync_interval = {};
  World world(options);
  OpenBody body = world.open_body(world.core->ids.next());
  EXPECT_EQ(world.append(body, of_size(4 * kUnit)), Refusal::kNone);
  world.fail(GetParam(), 1, true);
  body = {};
  for (int i = 0; i < 5; ++i) world.advance(Committer::kProbeInterval);
  EXPECT_FALSE(world.core->health().accepting);
  world.repair_store();
  world.advance(Seconds(5));
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
}

TEST_P(OpenBodyFailing, WhatAShutdownLeavesTheNextStartErases) {
  World world;
  OpenBody body = world.open_body(world.core->ids.next());
  EXPECT_EQ(world.append(body, of_size(4 * kUnit)), Refusal::kNone);
  std::string text;
  Submission submission = world.large_message(text, 2);
  world.advance(Seconds(1));  // the parts are synced
  world.fail(GetParam(), 1, true);
  body = {};
  EXPECT_EQ(world.submit(std::move(submission)), Refusal::kStoreFailed);
  world.close();
  world.repair_store();
  world.store.lose_power();
  EXPECT_GT(world.store.size(), World::kEmptyStore);
  world.open();
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  world.settle();
  // A failed sync may have left the message, although it was refused; then it is whole.
  for (Lease& lease : std::exchange(world.leases, {})) {
    EXPECT_TRUE(world.read_pieces(lease) == text);
    world.finish(std::move(lease), Fate::kDelivered);
  }
  EXPECT_EQ(world.store.size(), World::kEmptyStore);
}

// --- the process dies, or power is lost, after the nth write has failed ---

// A message of three parts, a body that is abandoned after two, one left open. Whether the message
// was acknowledged.
bool live_a_while(World& world, std::string& text) {
  const auto append = [&world](OpenBody& body, const std::string& part) {
    return world.append(body, part) == Refusal::kNone;
  };
  OpenBody left = world.open_body(world.core->ids.next());
  OpenBody abandoned = world.open_body(world.core->ids.next());
  Submission submission = world.message({"1@b.example", "2@c.example"}, "Subject: x\r\n\r\n");
  submission.opened = world.open_body(submission.id);
  text = "Subject: x\r\n\r\n";
  bool fails = !append(left, of_size(kUnit));
  for (int i = 0; i < 3 && !fails; ++i) {
    const std::string part = world.random.token(kUnit);
    text += part;
    fails = !append(submission.opened, part) || (i < 2 && !append(abandoned, of_size(kUnit)));
  }
  abandoned = {};
  world.settle();
  world.advance(Milliseconds(100));
  if (fails) return false;
  return world.submit(std::move(submission)) == Refusal::kNone;
}

TEST_P(OpenBodyFailing, AnyDeathLeavesWholeMessagesAndNothingElse) {
  int acknowledged = 0;
  for (int nth = 1; nth <= 14; ++nth) {
    for (const bool power : {false, true}) {
      Options options;
      if (nth % 2 == 0) options.completion_sync_interval = {};
      World world(options);
      world.fail(GetParam(), nth, true);
      std::string text;
      const bool answered = live_a_while(world, text);
      power ? world.lose_power() : world.kill();
      world.repair_store();
      world.open();
      EXPECT_THAT(Fsck::check(world.store), IsEmpty());
      world.settle();
      if (answered) ++acknowledged;
      EXPECT_TRUE(!answered || world.leases.size() == 2) << "acknowledged and lost";
      for (Lease& lease : std::exchange(world.leases, {})) {
        EXPECT_TRUE(world.read_pieces(lease) == text);
        world.finish(std::move(lease), Fate::kDelivered);
      }
      EXPECT_EQ(world.store.size(), World::kEmptyStore) << GetParam() << nth << power;
    }
  }
  EXPECT_GT(acknowledged, 0);
  EXPECT_LT(acknowledged, 28);
}

}  // namespace
}  // namespace postrider::queue
