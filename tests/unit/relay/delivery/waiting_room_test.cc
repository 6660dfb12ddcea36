#include "relay/delivery/waiting_room.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {
namespace {

using message::Stage;
using ::testing::HasSubstr;

const message::Status kRefused{0, {}, "Connection refused"};

class WaitingRoomTest : public DeliveryTest {
 protected:
  ~WaitingRoomTest() override {
    parcels_.clear();
    room_.reset();
  }

  void SetUp() override {
    open();
    room_.emplace(*shared_, *loop_, "mx.example", policy::Rate(), [this] { ++told_; });
  }

  void push(const Mail& mail) { room_->push(lease_of(mail)); }

  void push_some(int count) {
    for (int i = 0; i < count; ++i) push({});
  }

  // Takes the first that is loaded; whether there was one.
  bool take_first() {
    auto parcel = room_->take([](const Parcel&) { return true; });
    if (parcel) parcels_.push_back(*std::move(parcel));
    return parcel.has_value();
  }

  bool run_until_given_back() {
    return run_until([&] { return queue_->stats().leases == 0; });
  }

  static Mail old_mail() { return {.sender = "", .notify = message::kNotifyNever, .lifetime = {}}; }

  std::optional<WaitingRoom> room_;
  std::vector<Parcel> parcels_;
  int told_ = 0;
};

TEST_F(WaitingRoomTest, LoadsOneAfterAnother) {
  push_some(3);
  EXPECT_EQ(room_->first(), nullptr);
  EXPECT_TRUE(room_->load_one(clock_.now()));
  ASSERT_TRUE(run_until([&] { return room_->first() != nullptr; }));
  EXPECT_EQ(room_->at_hand(), 1U);
  EXPECT_EQ(room_->size(), 3U);
  EXPECT_TRUE(take_first());
  EXPECT_EQ(room_->size(), 2U);
  EXPECT_FALSE(take_first());
}

TEST_F(WaitingRoomTest, WhatIsPutBackIsTheFirst) {
  push_some(2);
  while (room_->load_one(clock_.now())) {
  }
  ASSERT_TRUE(run_until([&] { return room_->first() != nullptr && room_->at_hand() == 2; }));
  ASSERT_TRUE(take_first());
  const queue::MessageId id = parcels_.front().lease.message().id;
  room_->put_back(std::move(parcels_.front()));
  EXPECT_EQ(room_->first()->lease.message().id, id);
}

TEST_F(WaitingRoomTest, WhatDoesNotSuitStays) {
  push_some(1);
  room_->load_one(clock_.now());
  ASSERT_TRUE(run_until([&] { return room_->first() != nullptr; }));
  EXPECT_FALSE(room_->take([](const Parcel&) { return false; }));
  EXPECT_EQ(room_->size(), 1U);
}

TEST_F(WaitingRoomTest, PutsAllOffWithoutAnAttempt) {
  push_some(2);
  room_->load_one(clock_.now());
  const WallTime before = clock_.wall();
  room_->put_off_all(std::chrono::minutes(4), Stage::kConnect, kRefused, policy::ReplyRules());
  ASSERT_TRUE(run_until_given_back());
  const auto all = queue_->messages({.all = true}, 10);
  ASSERT_TRUE(all && all->messages.size() == 2);
  for (const auto& message : all->messages) {
    const queue::DeliverySummary& delivery = message.deliveries.at(0);
    EXPECT_EQ(delivery.attempts, 0U);
    EXPECT_GE(delivery.due, before + std::chrono::minutes(4));
    EXPECT_LE(delivery.due, clock_.wall() + std::chrono::minutes(5));
  }
}

TEST_F(WaitingRoomTest, WhatIsPutOffEndsWithItsLifetime) {
  push(old_mail());
  room_->put_off_all(std::chrono::minutes(4), Stage::kConnect, kRefused, policy::ReplyRules());
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(events_of("expired"), 1U);
  EXPECT_THAT(events(), HasSubstr("Connection refused"));
}

TEST_F(WaitingRoomTest, WhatHasHadItsLifetimeHasALastTurn) {
  push(old_mail());
  const TimePoint next = room_->end_overdue(clock_.now() + Seconds(9), true);
  EXPECT_EQ(room_->size(), 1U);
  EXPECT_LE(next, clock_.now() + Seconds(10));
  room_->end_overdue(next, true);
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(events_of("expired"), 1U);
}

TEST_F(WaitingRoomTest, WhatIsLoadedEndsWhereARateHoldsItUp) {
  push(old_mail());
  push({});
  while (room_->load_one(clock_.now())) {
  }
  ASSERT_TRUE(run_until([&] { return room_->first() != nullptr && room_->at_hand() == 2; }));
  const TimePoint later = clock_.now() + Seconds(20);
  room_->end_overdue(later, false);
  EXPECT_EQ(room_->size(), 2U);
  EXPECT_LE(room_->end_overdue(clock_.now(), true), later);
  EXPECT_EQ(room_->size(), 2U);
  EXPECT_GT(room_->end_overdue(later, true), later);
  ASSERT_TRUE(run_until([&] { return events_of("expired") == 1; }));
  EXPECT_EQ(room_->size(), 1U);
}

TEST_F(WaitingRoomTest, ForAllAFailureIsAnAttempt) {
  push_some(2);
  room_->fail_all(Stage::kConnect, kRefused, {.site = "mx.example"});
  ASSERT_TRUE(run_until_given_back());
  EXPECT_EQ(events_of("deferred"), 2U);
  EXPECT_EQ(counted(metrics::Metric::kDeliveriesAttempted), 2U);
}

TEST_F(WaitingRoomTest, ClosedItGivesBackWhatItHas) {
  push_some(2);
  room_->load_one(clock_.now());
  room_->close();
  // Both are due again.
  const queue::Lease one = take_lease();
  const queue::Lease other = take_lease();
  turn(3);
  EXPECT_EQ(room_->first(), nullptr);
  EXPECT_EQ(events(), "");
}

}  // namespace
}  // namespace postrider::delivery
