#include "queue/rebuild.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/base/log.h"
#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using std::chrono::minutes;
using ::testing::IsEmpty;

class RebuildTest : public ::testing::Test {
 protected:
  RebuildTest() {
    log::set_sink([](std::string_view) {});
    for (int i = 0; i < 20; ++i) {
      world_.submit({"1@a.example", "2@b" + std::to_string(i % 3) + ".example"});
    }
    while (!world_.leases.empty()) world_.finish(world_.take(), Fate::kDeferred, minutes(10));
    world_.close();
  }

  ~RebuildTest() override { log::set_sink(nullptr); }

  std::vector<std::string> keys(char of_space) {
    std::vector<std::string> found;
    const std::string lower(1, of_space);
    const auto cursor = world_.store.scan(lower, after_prefix(lower));
    for (; cursor->valid(); cursor->next()) found.emplace_back(cursor->key());
    return found;
  }

  void cut_out(const std::vector<std::string>& damaged) {
    for (const std::string& key : damaged) world_.store.damage(key);
    world_.store.repair();
    world_.open();
  }

  World world_;
};

TEST_F(RebuildTest, WhatIsMadeFromOtherRecordsIsMadeAnew) {
  for (const char lost : {space::kDue, space::kQueue, space::kLeft, space::kState}) {
    cut_out(keys(lost));
    EXPECT_THAT(Fsck::check(world_.store), IsEmpty()) << lost;
    EXPECT_EQ(world_.core->stats().messages, 20U);
    EXPECT_EQ(world_.core->stats().deliveries, 40U);
    EXPECT_FALSE(world_.store.was_repaired());
    world_.close();
  }
  world_.open();
  world_.advance(minutes(11));
  EXPECT_EQ(world_.leases.size(), 40U);
}

// Found while the queues are read, behind the totals.
TEST_F(RebuildTest, DamageThatTheStartMeetsIsRepairedAtOnce) {
  for (const char of_space : {space::kQueue, space::kState}) {
    const auto all = keys(of_space);
    world_.store.damage(all[all.size() / 2]);
    world_.open();
    EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
    EXPECT_EQ(world_.core->stats().deliveries, 40U);
    world_.close();
  }
  world_.open();
}

TEST_F(RebuildTest, EntriesThatCameBackAreDropped) {
  const auto batch = world_.store.new_batch();
  batch->put(due_key(encode({"gone.example", "", ""}), {WallTime(), {1, 2}, 0}), "");
  ASSERT_TRUE(world_.store.write(*batch, true));
  cut_out({});
  EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
}

TEST_F(RebuildTest, AMessageWithoutDeliveriesOrDeliveriesWithoutMessageAreQuarantined) {
  std::vector<std::string> lost = {keys(space::kMessage)[3]};
  const auto deliveries = keys(space::kDelivery);
  lost.insert(lost.end(), {deliveries[10], deliveries[11], deliveries[20]});
  cut_out(lost);
  EXPECT_EQ(keys(space::kQuarantine).size(), 3U);  // two without message, one without delivery
  EXPECT_EQ(world_.core->stats().deliveries, 40U - 2 - 3);
  world_.advance(minutes(11));
  EXPECT_EQ(world_.leases.size(), 35U);
  while (!world_.leases.empty()) world_.finish(world_.take(), Fate::kDelivered);
  EXPECT_EQ(world_.core->stats().deliveries, 0U);
  // The same again: nothing is put there twice.
  world_.close();
  cut_out({});
  EXPECT_EQ(keys(space::kQuarantine).size(), 3U);
}

TEST_F(RebuildTest, IsRepeatedWhenItWasCutShort) {
  for (const std::string& key : keys(space::kDue)) world_.store.damage(key);
  world_.store.repair();
  world_.fail("write");
  EXPECT_FALSE(recover_totals(world_.store));
  EXPECT_TRUE(world_.store.was_repaired());
  world_.repair_store();
  ASSERT_TRUE(world_.store.reopen());
  world_.open();
  EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
}

TEST_F(RebuildTest, TextsWithAFrontStayAndThoseBeingWrittenAreErased) {
  world_.open();
  std::string text;
  EXPECT_EQ(world_.submit(world_.large_message(text, 6)), Refusal::kNone);
  OpenBody body = world_.open_body(world_.core->ids.next());
  EXPECT_EQ(world_.append(body, std::string(OpenBody::kPartUnit, 'x')), Refusal::kNone);
  world_.core->waiting.lock()->closed = true;
  body = {};
  world_.kill();
  EXPECT_EQ(keys(space::kOpen).size(), 1U);
  cut_out(keys(space::kDue));
  EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
  EXPECT_EQ(world_.core->stats().messages, 21U);
  world_.settle();
  EXPECT_TRUE(world_.read_pieces(world_.take()) == text);
}

// --- damage that is met while running ---

TEST_F(RebuildTest, ADamagedRecordQuarantinesOneDelivery) {
  world_.open();
  world_.store.damage(keys(space::kDelivery)[4]);
  world_.store.damage(keys(space::kMessage)[9]);
  world_.advance(minutes(11));
  EXPECT_EQ(world_.leases.size(), 37U);
  EXPECT_EQ(world_.core->metrics.quarantined.value(), 3U);
  EXPECT_EQ(keys(space::kQuarantine).size(), 3U);
}

TEST_F(RebuildTest, ADamagedBodyIsNeverDelivered) {
  world_.open();
  world_.advance(minutes(11));
  Lease lease = world_.take();
  world_.store.damage(body_key(lease.message().id, 0));
  bool answered = false;
  world_.core->read_body(std::move(lease), [&](Lease, Result<void> read) {
    EXPECT_FALSE(read);
    answered = true;
  });
  world_.settle();
  EXPECT_TRUE(answered);
  EXPECT_EQ(world_.core->metrics.quarantined.value(), 1U);
}

TEST_F(RebuildTest, ADamagedIndexHoldsUpItsOwnQueueAlone) {
  world_.open();
  world_.store.damage(keys(space::kDue)[0]);  // of a.example
  world_.advance(minutes(11));
  EXPECT_EQ(world_.leases.size(), 20U);
  EXPECT_TRUE(world_.core->health().accepting);
  world_.leases.clear();
  world_.close();
  world_.store.repair();
  world_.open();
  world_.settle();
  EXPECT_EQ(world_.leases.size(), 40U);
}

}  // namespace
}  // namespace postrider::queue
