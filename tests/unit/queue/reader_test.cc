// What the reader finds: due mail in turn, bodies, what operators select; and what it does with
// damage and failing reads.
#include "queue/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::IsEmpty;

void overwrite(World& world, const std::string& key, const std::string& value) {
  const auto batch = world.store.new_batch();
  value.empty() ? batch->erase(key) : batch->put(key, value);
  ASSERT_TRUE(world.store.write(*batch, true));
}

// A message that waits on disk for an hour; its id.
MessageId deferred(World& world, const std::string& to = "b@example.com",
                   const std::string& sender = "a@example.org") {
  Submission submission = world.message({to}, "Hello\r\n", sender);
  const MessageId id = submission.id;
  world.submit(std::move(submission));
  world.finish(world.take(), Fate::kDeferred, hours(1));
  return id;
}

TEST(Reading, ComesInOrderOfDueTime) {
  World world;
  std::vector<MessageId> ids;
  for (int i = 0; i < 5; ++i) {
    world.submit({"b@example.com"});
    ids.push_back(world.leases.back().message().id);
  }
  for (int i = 0; i < 5; ++i) world.finish(world.take(), Fate::kDeferred, minutes(10 - i));
  world.kill();
  world.open();
  world.advance(minutes(11));
  ASSERT_EQ(world.leases.size(), 5U);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(world.leases[static_cast<std::size_t>(i)].message().id,
              ids[static_cast<std::size_t>(4 - i)]);
  }
}

TEST(Reading, WaitsExactlyUntilTheNextIsDue) {
  World world;
  deferred(world);
  const auto limit = world.reader->wait_limit();
  ASSERT_TRUE(limit);
  EXPECT_EQ(*limit, hours(1));
  world.advance(*limit);
  EXPECT_EQ(world.leases.size(), 1U);
  EXPECT_FALSE(world.reader->wait_limit());
}

// What a view of the disk from before the delivery moved would show.
TEST(Reading, AStaleIndexEntryIsPassed) {
  World world;
  const MessageId id = deferred(world);
  const auto batch = world.store.new_batch();
  const Position stale{world.clock.wall() + minutes(10), id, 0};
  batch->put(due_key(encode(QueueName{"example.com", "", ""}), stale), "");
  ASSERT_TRUE(world.store.write(*batch, true));
  world.kill();
  world.open();
  {
    auto index = world.core->index.lock();
    index->insert(index->find_or_create({"example.com", "", ""}), stale);
  }
  world.advance(minutes(11));
  EXPECT_TRUE(world.leases.empty());
  EXPECT_EQ(world.core->stats().leases, 0U);
  world.advance(hours(1));
  EXPECT_EQ(world.leases.size(), 1U);
}

TEST(Reading, AnErrorOfTheStoreIsTriedAgainAtABoundedPace) {
  World world;
  deferred(world);
  world.fail("get", 1, true);
  world.advance(hours(2));
  EXPECT_TRUE(world.leases.empty());
  EXPECT_LE(world.core->metrics.store_errors.value(), 3U);
  world.repair_store();
  world.advance(Reader::kErrorPause);
  EXPECT_EQ(world.leases.size(), 1U);
}

TEST(Reading, AFailingScanLosesNothing) {
  World world;
  deferred(world);
  world.fail("scan");
  world.advance(hours(2));
  EXPECT_TRUE(world.leases.empty());
  world.advance(Reader::kErrorPause);
  EXPECT_EQ(world.leases.size(), 1U);
}

TEST(Damage, ADamagedDeliveryIsPutAside) {
  World world;
  const MessageId id = deferred(world);
  overwrite(world, delivery_key({id, 0}), "garbage");
  deferred(world);
  world.advance(hours(2));
  EXPECT_EQ(world.leases.size(), 1U);
  EXPECT_EQ(world.core->metrics.quarantined.value(), 1U);
  const auto why = world.store.get(quarantine_key({id, 0}));
  ASSERT_TRUE(why && *why);
  EXPECT_EQ(world.core->stats().deliveries, 1U);
  world.kill();
  world.open();
  world.advance(hours(9));
  EXPECT_EQ(world.leases.size(), 1U);
}

TEST(Damage, SoIsAMessageWhoseRecordIsDamagedOrMissing) {
  for (const std::string value : {"garbage", ""}) {
    World world;
    const MessageId id = deferred(world);
    overwrite(world, message_key(id), value);
    world.advance(hours(2));
    EXPECT_TRUE(world.leases.empty());
    EXPECT_EQ(world.core->metrics.quarantined.value(), 1U);
    EXPECT_EQ(world.core->index.lock()->held(), 0U);
  }
}

// As it is stored, and then `damage` is done to it.
std::string damaged_chunk(World& world, const std::string& key, const std::string& damage) {
  const auto stored = world.store.get(key);
  std::string value(stored.value()->view());
  if (damage == "a flipped bit") value[0] = static_cast<char>(value[0] ^ 1);
  if (damage == "another checksum") value.back() = static_cast<char>(value.back() ^ 1);
  if (damage == "a part of it") value.erase(0, 1);
  if (damage == "another text") {
    const std::string_view text = "of another length, and verifies";
    const auto trailer = body_trailer(key, std::span(&text, 1));
    value = std::string(text).append(trailer.data(), trailer.size());
  }
  if (damage == "nothing of it") value.clear();
  return value;
}

TEST(Damage, ADamagedBodyIsNeverDelivered) {
  for (const std::string damage :
       {"a flipped bit", "another checksum", "a part of it", "another text", "nothing of it"}) {
    SCOPED_TRACE(damage);
    World world;
    const MessageId id = deferred(world);
    const std::string key = body_key(id, 0);
    overwrite(world, key, damaged_chunk(world, key, damage));
    world.advance(hours(2));
    bool failed = false;
    world.core->read_body(world.take(), [&](Lease lease, Result<void> result) {
      failed = !result && !lease.body();
      Completion completion;
      completion.fates = {Fate::kDeferred};
      completion.next_attempt = world.clock.wall() + minutes(5);
      world.core->finish(std::move(lease), std::move(completion));
    });
    world.settle();
    EXPECT_TRUE(failed);
    EXPECT_EQ(world.core->metrics.quarantined.value(), 1U);
    world.advance(hours(1));
    EXPECT_TRUE(world.leases.empty());
  }
}

// A lease on a text of `size` octets that is on disk alone.
class Pieces : public ::testing::Test {
 protected:
  static Options no_body_in_memory() {
    Options options;
    options.lease_bytes_max = 0;
    return options;
  }

  Lease lease_on(std::size_t size) {
    text_.resize(size);
    for (std::size_t i = 0; i < size; ++i) text_[i] = static_cast<char>('a' + i % 23);
    world_.submit({"b@example.com"}, text_);
    return world_.take();
  }

  // What was read; nullopt where nothing came.
  std::optional<Result<message::Body>> piece(const Lease& lease, std::uint32_t number) {
    std::optional<Result<message::Body>> answer;
    world_.core->read_piece(lease, number,
                            [&answer](Result<message::Body> read) { answer = std::move(read); });
    world_.settle();
    return answer;
  }

  World world_{no_body_in_memory()};
  std::string text_;
};

TEST_F(Pieces, MakeTheTextAndOneAloneIsHeld) {
  for (const std::size_t more : {std::size_t{0}, std::size_t{1}, kBodyChunkSize}) {
    Lease lease = lease_on(2 * Queue::kPieceSize + more);
    std::string read;
    for (std::uint32_t number = 0; read.size() < text_.size(); ++number) {
      const auto one = piece(lease, number);
      ASSERT_TRUE(one && *one);
      read += (*one)->to_string();
      EXPECT_LE(world_.core->stats().lease_bytes, Queue::kPieceSize);
    }
    EXPECT_TRUE(read == text_) << more;
    EXPECT_EQ(world_.core->stats().lease_bytes, 0U);
    world_.finish(std::move(lease), Fate::kDelivered);
  }
}

TEST_F(Pieces, WhatDoesNotVerifyIsDamageAndForTheHolderOfTheLeaseToCondemn) {
  for (const std::string value : {"garbage", ""}) {
    Lease lease = lease_on(2 * Queue::kPieceSize);
    const auto before = world_.core->metrics.quarantined.value();
    overwrite(world_, body_key(lease.message().id, 6), value);
    EXPECT_TRUE(*piece(lease, 0));
    const auto damaged = piece(lease, 1);
    ASSERT_TRUE(damaged && !*damaged);
    EXPECT_TRUE(is_damage(damaged->error()));
    world_.core->condemn(LeaseParts::key(lease), damaged->error().text());
    world_.finish(std::move(lease), Fate::kDeferred);
    EXPECT_EQ(world_.core->metrics.quarantined.value(), before + 1);
    world_.advance(hours(1));
    EXPECT_TRUE(world_.leases.empty());
  }
}

TEST_F(Pieces, AChunkThatIsAnothersIsDamage) {
  const Lease lease = lease_on(2 * Queue::kPieceSize);
  const auto other = world_.store.get(body_key(lease.message().id, 2));
  overwrite(world_, body_key(lease.message().id, 1), std::string((**other).view()));
  const auto damaged = piece(lease, 0);
  EXPECT_TRUE(damaged && !*damaged && is_damage(damaged->error()));
}

TEST_F(Pieces, ADiskThatFailsIsNoDamage) {
  const Lease lease = lease_on(2 * Queue::kPieceSize);
  world_.fail("get");
  const auto failed = piece(lease, 0);
  ASSERT_TRUE(failed && !*failed);
  EXPECT_FALSE(is_damage(failed->error()));
  EXPECT_TRUE(*piece(lease, 0));
}

TEST_F(Pieces, TheLeaseMayEndBeforeTheAnswer) {
  Lease lease = lease_on(2 * Queue::kPieceSize);
  std::optional<Result<message::Body>> answer;
  world_.core->read_piece(lease, 1,
                          [&answer](Result<message::Body> read) { answer = std::move(read); });
  Completion completion;
  completion.fates = {Fate::kBounced};
  world_.core->finish(std::move(lease), std::move(completion));
  while (world_.committer->step()) {
  }
  world_.settle();
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
  EXPECT_EQ(world_.core->metrics.quarantined.value(), 0U);
}

TEST_F(Pieces, AnEndingQueueAnswersToo) {
  Lease lease = lease_on(2 * Queue::kPieceSize);
  int answers = 0;
  const auto expect_none = [&answers](const Result<message::Body>& read) {
    EXPECT_FALSE(read);
    ++answers;
  };
  world_.core->read_piece(lease, 0, expect_none);
  world_.reader->close();
  world_.core->read_piece(lease, 0, expect_none);
  EXPECT_EQ(answers, 2);
}

TEST(Damage, ALeaseOnItThatIsJustDroppedPutsItAsideToo) {
  World world;
  const MessageId id = deferred(world);
  overwrite(world, body_key(id, 0), "garbage");
  world.advance(hours(2));
  world.core->read_body(world.take(), [](Lease, Result<void>) {});
  world.settle();
  EXPECT_EQ(world.core->metrics.quarantined.value(), 1U);
  EXPECT_TRUE(world.leases.empty());
}

TEST(Damage, CountsThatAreDamagedAreCountedAnew) {
  World world;
  deferred(world);
  deferred(world, "b@other.example");
  world.kill();
  overwrite(world, queue_key(encode({"example.com", "", ""})), "garbage");
  overwrite(world, state_key("totals"), "garbage");
  world.open();
  EXPECT_EQ(world.core->stats().messages, 2U);
  EXPECT_EQ(world.core->stats().deliveries, 2U);
  EXPECT_EQ(Fsck::check(world.store).size(), 2U);  // the queue record, until it is next written
  world.advance(hours(1));
  ASSERT_EQ(world.leases.size(), 2U);
  world.finish(world.take(), Fate::kDelivered);
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_EQ(world.store.size(), 2U);
}

TEST(Damage, ALeftCountThatIsDamagedIsCountedAnew) {
  World world;
  Submission submission = world.message({"1@b.example", "2@c.example"});
  const MessageId id = submission.id;
  world.submit(std::move(submission));
  overwrite(world, left_key(id), "garbage");
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  world.finish(world.take(), Fate::kDelivered);
  EXPECT_EQ(world.store.size(), 2U);
}

TEST(Schema, NewerIsRefused) {
  MemoryStore store;
  const std::string key = state_key("schema");
  const auto batch = store.new_batch();
  batch->put(key, encode_number(key, kSchemaVersion + 1));
  ASSERT_TRUE(store.write(*batch, true));
  const auto totals = recover_totals(store);
  ASSERT_FALSE(totals);
  EXPECT_THAT(totals.error().text(), ::testing::HasSubstr("schema version 4"));
}

TEST(Schema, VersionTwoIsMigratedByItsNumberAlone) {
  World world;
  world.submit({"b@example.com"});
  world.close();
  const std::string key = state_key("schema");
  const auto batch = world.store.new_batch();
  batch->put(key, encode_number(key, 2));
  ASSERT_TRUE(world.store.write(*batch, true));
  world.fail("write");
  EXPECT_FALSE(recover_totals(world.store));
  world.repair_store();
  world.store.lose_power();
  EXPECT_EQ(decode_number(key, (*world.store.get(key))->view()), 2U);
  world.open();
  EXPECT_EQ(decode_number(key, (*world.store.get(key))->view()), 3U);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  world.settle();
  EXPECT_EQ(world.read_pieces(world.take()), "Hello\r\n");
}

TEST(Schema, AForeignStoreIsRefused) {
  MemoryStore store;
  const auto batch = store.new_batch();
  batch->put("hello", "world");
  ASSERT_TRUE(store.write(*batch, true));
  EXPECT_FALSE(recover_totals(store));
}

// --- operators ---

TEST(Removing, TakesWhatMatches) {
  World world;
  const MessageId first = deferred(world, "b@one.example", "x@s.example");
  deferred(world, "b@two.example", "x@s.example");
  deferred(world, "b@two.example", "y@s.example");
  Selector by_id;
  by_id.id = first;
  EXPECT_EQ(world.remove(by_id), 1U);
  EXPECT_EQ(world.remove(by_id), 0U);
  EXPECT_EQ(world.events, "removed b@one.example\n");
  Selector both;
  both.domain = "two.example";
  both.sender = "y@s.example";
  EXPECT_EQ(world.remove(both), 1U);
  EXPECT_EQ(world.core->stats().messages, 1U);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  EXPECT_EQ(world.remove(World::everything()), 1U);
  EXPECT_EQ(world.store.size(), 2U);
  EXPECT_EQ(world.core->metrics.removed.value(), 3U);
}

TEST(Removing, ASelectorOfNothingIsAnError) {
  World world;
  deferred(world);
  bool refused = false;
  world.core->start_job(AdminOp::Kind::kRemove, Selector(),
                        [&](Result<std::uint64_t> result) { refused = !result; });
  world.settle();
  EXPECT_TRUE(refused);
  EXPECT_EQ(world.core->stats().messages, 1U);
}

TEST(Removing, ByDomainLeavesOtherDeliveriesOfTheMessage) {
  World world;
  world.submit({"1@b.example", "2@c.example"});
  world.finish(world.take(), Fate::kDeferred, hours(1));
  world.finish(world.take(), Fate::kDeferred, hours(1));
  Selector selector;
  selector.domain = "b.example";
  EXPECT_EQ(world.remove(selector), 1U);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  world.advance(hours(1));
  ASSERT_EQ(world.leases.size(), 1U);
  EXPECT_EQ(world.leases[0].domain(), "c.example");
}

TEST(Removing, OfALeasedDeliveryWaitsForItsOutcome) {
  for (const Fate fate : {Fate::kDelivered, Fate::kDeferred}) {
    World world;
    world.submit({"b@example.com"});
    EXPECT_EQ(world.remove(World::everything()), 1U);
    EXPECT_EQ(world.core->stats().messages, 1U);
    world.finish(world.take(), fate);
    EXPECT_EQ(world.store.size(), 2U);
    EXPECT_EQ(world.core->metrics.removed.value(), fate == Fate::kDeferred ? 1U : 0U);
    EXPECT_EQ(world.events, fate == Fate::kDeferred ? "removed b@example.com\n" : "");
  }
}

TEST(Removing, OfALeaseThatComesBackUndone) {
  World world;
  world.submit({"b@example.com"});
  world.remove(World::everything());
  { const Lease lease = world.take(); }
  world.settle();
  EXPECT_TRUE(world.leases.empty());
  EXPECT_EQ(world.store.size(), 2U);
  EXPECT_EQ(world.events, "removed b@example.com\n");
}

TEST(Removing, OfMoreThanOneStep) {
  World world;
  for (int i = 0; i < 1500; ++i) deferred(world, "b@d" + std::to_string(i % 7) + ".example");
  EXPECT_EQ(world.remove(World::everything()), 1500U);
  EXPECT_EQ(world.store.size(), 2U);
  EXPECT_EQ(world.core->stats().queues, 0U);
}

TEST(Removing, SyncsOnceBeforeItIsAnswered) {
  World world;
  for (int i = 0; i < 1500; ++i) deferred(world, "b@one.example");
  const std::uint64_t before = world.store.syncs();
  EXPECT_EQ(world.remove(World::everything()), 1500U);
  EXPECT_EQ(world.store.syncs(), before + 1);
  world.lose_power();
  world.open();
  EXPECT_EQ(world.core->stats().messages, 0U);
}

TEST(Removing, FailsWithTheStore) {
  World world;
  deferred(world);
  world.fail("write");
  std::optional<Result<std::uint64_t>> answer;
  world.core->start_job(AdminOp::Kind::kRemove, World::everything(),
                        [&](Result<std::uint64_t> result) { answer = std::move(result); });
  world.settle();
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
  world.advance(hours(1));
  world.settle();
  EXPECT_EQ(world.leases.size(), 1U);
}

TEST(RetryNow, MakesItDue) {
  World world;
  deferred(world, "b@one.example");
  deferred(world, "b@two.example");
  Selector selector;
  selector.domain = "two.example";
  EXPECT_EQ(world.retry_now(selector), 1U);
  ASSERT_EQ(world.leases.size(), 1U);
  EXPECT_EQ(world.leases[0].domain(), "two.example");
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  EXPECT_EQ(world.retry_now(World::everything()), 2U);
  EXPECT_EQ(world.leases.size(), 2U);
}

TEST(RetryNow, IsSeenBelowWhereTheReaderHasBeen) {
  World world;
  const MessageId first = deferred(world);
  world.submit({"b@example.com"});
  world.finish(world.take(), Fate::kDeferred, minutes(1));
  world.advance(minutes(2));
  ASSERT_EQ(world.leases.size(), 1U);  // the cursor stands at the first, in an hour
  EXPECT_EQ(world.retry_now(World::everything()), 2U);
  ASSERT_EQ(world.leases.size(), 2U);
  EXPECT_EQ(world.leases[1].message().id, first);
}

}  // namespace
}  // namespace postrider::queue
