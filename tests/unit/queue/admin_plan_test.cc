// What operators ask for: held, released, removed while leased, suspended; and through a crash.
#include "queue/admin_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/base/log.h"
#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Operators : public ::testing::Test {
 protected:
  Operators() {
    log::set_sink([](std::string_view) {});
  }

  ~Operators() override {
    EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
    log::set_sink(nullptr);
  }

  void defer(const std::string& to) {
    ASSERT_EQ(world_.submit({to}), Refusal::kNone);
    world_.finish(world_.take(), Fate::kDeferred);
  }

  void restart(bool power = false) {
    power ? world_.lose_power() : world_.kill();
    world_.open();
    world_.settle();
  }

  static Selector domain(const std::string& name) {
    Selector selector;
    selector.domain = name;
    return selector;
  }

  World world_;
};

TEST_F(Operators, WhatIsHeldWaitsUntilItIsReleased) {
  defer("b@one.example");
  defer("b@two.example");
  EXPECT_EQ(world_.hold(domain("one.example")), 1U);
  world_.advance(hours(1));
  ASSERT_EQ(world_.leases.size(), 1U);
  EXPECT_EQ(world_.leases[0].domain(), "two.example");
  world_.finish(world_.take(), Fate::kDelivered);
  // It costs nothing meanwhile: nobody has a reason to wake up.
  EXPECT_EQ(world_.core->index.lock()->next_wake(), std::nullopt);
  EXPECT_FALSE(world_.reader->step());
  // Retry is not release, and mail that comes later is not held.
  EXPECT_EQ(world_.retry_now(domain("one.example")), 0U);
  EXPECT_TRUE(world_.leases.empty());
  world_.submit({"c@one.example"});
  world_.finish(world_.take(), Fate::kDelivered);
  for (const bool power : {false, true}) {
    restart(power);
    world_.advance(hours(100));
    EXPECT_TRUE(world_.leases.empty());
  }
  EXPECT_EQ(world_.release(domain("one.example")), 1U);
  ASSERT_EQ(world_.leases.size(), 1U);
  EXPECT_EQ(world_.leases[0].attempts(), 1U);
  EXPECT_EQ(world_.release(domain("one.example")), 0U);
}

TEST_F(Operators, WhatIsHeldCanBeRemoved) {
  defer("b@one.example");
  world_.hold(World::everything());
  EXPECT_EQ(world_.remove(World::everything()), 1U);
  EXPECT_EQ(world_.core->stats().messages, 0U);
}

TEST_F(Operators, ALeasedDeliveryIsHeldWhenItsLeaseEnds) {
  world_.submit({"b@one.example"});
  EXPECT_EQ(world_.hold(World::everything()), 1U);
  world_.finish(world_.take(), Fate::kDeferred);
  world_.advance(hours(1));
  EXPECT_TRUE(world_.leases.empty());
  EXPECT_EQ(world_.release(World::everything()), 1U);
  // Given back without a try, too; and a release in time undoes it.
  EXPECT_EQ(world_.hold(World::everything()), 1U);
  { const Lease dropped = world_.take(); }
  world_.advance(hours(1));
  EXPECT_TRUE(world_.leases.empty());
  world_.release(World::everything());
  world_.hold(World::everything());
  EXPECT_EQ(world_.release(World::everything()), 1U);
  world_.finish(world_.take(), Fate::kDeferred);
  world_.advance(hours(1));
  EXPECT_EQ(world_.leases.size(), 1U);
}

TEST_F(Operators, WhatWasAskedForDuringALeaseSurvivesACrash) {
  for (const bool power : {false, true}) {
    world_.submit({"b@one.example"});
    world_.submit({"b@two.example"});
    EXPECT_EQ(world_.remove(domain("one.example")), 1U);
    EXPECT_EQ(world_.hold(domain("two.example")), 1U);
    world_.events.clear();
    restart(power);
    world_.advance(hours(1));
    EXPECT_TRUE(world_.leases.empty());
    EXPECT_EQ(world_.events, "removed b@one.example\n");
    EXPECT_EQ(world_.core->stats().messages, 1U);
    EXPECT_EQ(world_.release(World::everything()), 1U);
    world_.finish(world_.take(), Fate::kDelivered);
  }
}

TEST_F(Operators, ADeliveryMadeDuringTheLeaseOverrulesItsRemoval) {
  world_.submit({"b@one.example"});
  world_.remove(World::everything());
  world_.events.clear();
  world_.finish(world_.take(), Fate::kDelivered);
  EXPECT_EQ(world_.events, "");
  EXPECT_EQ(world_.core->stats().messages, 0U);
}

TEST_F(Operators, ASuspendedDomainWaitsWithAllThatComes) {
  defer("b@one.example");
  ASSERT_TRUE(world_.suspend(World::of_domain("one.example", "they asked")));
  EXPECT_EQ(world_.submit({"c@one.example", "d@two.example"}), Refusal::kNone);
  world_.advance(hours(1));
  ASSERT_EQ(world_.leases.size(), 1U);
  world_.finish(world_.take(), Fate::kDelivered);
  world_.advance(Seconds(1));  // synced
  EXPECT_EQ(world_.core->index.lock()->next_wake(), std::nullopt);
  EXPECT_EQ(world_.retry_now(World::everything()), 2U);
  EXPECT_TRUE(world_.leases.empty());
  for (const bool power : {false, true}) {
    restart(power);
    EXPECT_TRUE(world_.leases.empty());
    const auto known = world_.core->index.lock()->suspensions().all();
    ASSERT_EQ(known.size(), 1U);
    EXPECT_EQ(known[0].domain, "one.example");
    EXPECT_EQ(known[0].reason, "they asked");
  }
  ASSERT_TRUE(world_.resume(World::of_domain("one.example")));
  EXPECT_FALSE(world_.resume(World::of_domain("one.example")));
  EXPECT_EQ(world_.leases.size(), 2U);
  restart();
  EXPECT_EQ(world_.leases.size(), 2U);
}

TEST_F(Operators, WhatIsLeasedWhenItsDomainIsSuspendedIsFinished) {
  world_.submit({"b@one.example"});
  ASSERT_TRUE(world_.suspend(World::of_domain("one.example")));
  world_.finish(world_.take(), Fate::kDeferred);
  world_.advance(hours(1));
  EXPECT_TRUE(world_.leases.empty());
  world_.resume(World::of_domain("one.example"));
  EXPECT_EQ(world_.leases.size(), 1U);
}

// A suspension that was answered with an error is not there, whatever the disk has taken of it.
TEST_F(Operators, ASuspensionThatFailedIsTakenBack) {
  defer("b@one.example");
  for (const char* call : {"write", "sync"}) {
    world_.fail(call);
    EXPECT_FALSE(world_.suspend(World::of_domain("one.example")));
    world_.repair_store();
    world_.advance(Seconds(5));
    EXPECT_EQ(*world_.store.get(suspension_key("one.example", "", "")), std::nullopt) << call;
  }
  restart();
  world_.advance(hours(1));
  EXPECT_EQ(world_.leases.size(), 1U);
}

// Across a restart too; mail that waited goes at once.
TEST_F(Operators, ASuspensionEndsByItself) {
  Suspension for_an_hour = World::of_domain("one.example");
  for_an_hour.until = world_.clock.wall() + hours(1);
  ASSERT_TRUE(world_.suspend(for_an_hour));
  Suspension longer{"", "x", "", "", world_.clock.wall() + hours(2)};
  ASSERT_TRUE(world_.suspend(longer));
  world_.submit({"b@one.example"});
  world_.advance(minutes(59));
  EXPECT_TRUE(world_.leases.empty());
  restart();
  EXPECT_TRUE(world_.leases.empty());
  world_.advance(minutes(1));
  EXPECT_EQ(world_.leases.size(), 1U);
  EXPECT_EQ(*world_.store.get(suspension_key("one.example", "", "")), std::nullopt);
  EXPECT_EQ(world_.core->index.lock()->suspensions().all().size(), 1U);
  // One that ended while no process was there ends at the start.
  world_.kill();
  world_.clock.advance(hours(3));
  world_.open();
  world_.settle();
  EXPECT_TRUE(world_.core->index.lock()->suspensions().empty());
}

TEST_F(Operators, ASuspensionIsEndedAlsoIfItsFirstWriteFails) {
  Suspension rule = World::of_domain("one.example");
  rule.until = world_.clock.wall() + hours(1);
  ASSERT_TRUE(world_.suspend(rule));
  world_.submit({"b@one.example"});
  world_.fail("sync");
  world_.advance(hours(1));
  world_.repair_store();
  world_.advance(Seconds(2));
  EXPECT_EQ(world_.leases.size(), 1U);
  restart();
  EXPECT_TRUE(world_.core->index.lock()->suspensions().empty());
}

TEST_F(Operators, TenantsAndCampaignsCanBeSuspended) {
  for (const char* campaign : {"c", "d"}) {
    Submission submission = world_.message({"b@one.example"});
    submission.envelope.tenant = "t";
    submission.envelope.campaign = campaign;
    world_.submit(std::move(submission));
    world_.finish(world_.take(), Fate::kDeferred);
  }
  const Suspension both{"", "t", "c", "", std::nullopt};
  ASSERT_TRUE(world_.suspend(both));
  world_.advance(hours(1));
  ASSERT_EQ(world_.leases.size(), 1U);
  EXPECT_EQ(world_.leases[0].message().envelope.campaign, "d");
  ASSERT_TRUE(world_.suspend({"", "t", "", "", std::nullopt}));
  // The other one still holds it back.
  ASSERT_TRUE(world_.resume(both));
  EXPECT_EQ(world_.leases.size(), 1U);
  ASSERT_TRUE(world_.resume({"", "t", "", "", std::nullopt}));
  EXPECT_EQ(world_.leases.size(), 2U);
}

// Where it stood when it was given back is no place of it any more: a lease on that would keep the
// reader from its true place, and pass it by.
TEST_F(Operators, GivenBackThenHeldAndReleasedItIsNotPassedBy) {
  world_.submit({"b@one.example"});
  ASSERT_TRUE(world_.suspend(World::of_domain("one.example")));
  { const Lease dropped = world_.take(); }
  EXPECT_EQ(world_.hold(World::everything()), 1U);
  world_.advance(Seconds(1));
  EXPECT_EQ(world_.release(World::everything()), 1U);
  ASSERT_TRUE(world_.resume(World::of_domain("one.example")));
  EXPECT_EQ(world_.leases.size(), 1U);
}

TEST_F(Operators, WhatIsHeldIsCounted) {
  defer("b@one.example");
  defer("b@two.example");
  world_.hold(World::everything());
  EXPECT_EQ(world_.core->stats().on_hold, 2U);
  EXPECT_THAT(world_.registry.expose(), HasSubstr("postrider_queue_held_deliveries 2\n"));
  restart();
  EXPECT_EQ(world_.core->stats().on_hold, 2U);
  world_.release(domain("one.example"));
  EXPECT_EQ(world_.core->stats().on_hold, 1U);
  world_.remove(domain("two.example"));
  EXPECT_EQ(world_.core->stats().on_hold, 0U);
  EXPECT_THAT(world_.registry.expose(),
              HasSubstr("postrider_queue_changed_total{action=\"release\"} 1\n"));
}

TEST_F(Operators, SelectByTenantCampaignAndAge) {
  for (const char* tenant : {"x", "y"}) {
    Submission submission = world_.message({"b@one.example"});
    submission.envelope.tenant = tenant;
    submission.envelope.campaign = std::string("of ") + tenant;
    world_.submit(std::move(submission));
    world_.finish(world_.take(), Fate::kDeferred, hours(9));
    world_.advance(minutes(10));
  }
  Selector old;
  old.arrived_before = world_.clock.wall() - minutes(15);
  Selector campaign;
  campaign.campaign = "of y";
  Selector tenant;
  tenant.tenant = "x";
  EXPECT_EQ(world_.hold(old), 1U);
  EXPECT_EQ(world_.hold(campaign), 1U);
  tenant.campaign = "of y";
  EXPECT_EQ(world_.remove(tenant), 0U);
  tenant.campaign.clear();
  EXPECT_EQ(world_.remove(tenant), 1U);
  EXPECT_EQ(world_.core->stats().messages, 1U);
}

TEST_F(Operators, SelectWhatIsDueTooLate) {
  for (const int wait : {1, 9, 9}) {
    world_.submit({"b@one.example"});
    world_.finish(world_.take(), Fate::kDeferred, hours(wait));
  }
  Selector late;
  late.due_after = world_.clock.wall() + hours(8);
  EXPECT_EQ(world_.retry_now(late), 2U);
  EXPECT_EQ(world_.leases.size(), 2U);
  for (int i = 0; i < 2; ++i) world_.finish(world_.take(), Fate::kDelivered);
  EXPECT_EQ(world_.hold(World::everything()), 1U);
  EXPECT_EQ(world_.retry_now(late), 0U);
}

// RFC 4865 section 4.2: not before its time, whoever asks.
TEST_F(Operators, WhatMayNotLeaveYetIsNotMadeToLeave) {
  Submission later = world_.message({"b@one.example"});
  later.envelope.release = later.not_before = world_.clock.wall() + hours(2);
  later.envelope.release_request = "for;7200";
  ASSERT_EQ(world_.submit(std::move(later)), Refusal::kNone);
  EXPECT_EQ(world_.retry_now(World::everything()), 1U);
  EXPECT_TRUE(world_.leases.empty());
  world_.advance(hours(1));
  EXPECT_EQ(world_.hold(World::everything()), 1U);
  restart();
  EXPECT_EQ(world_.release(World::everything()), 1U);
  EXPECT_EQ(world_.retry_now(World::everything()), 1U);
  world_.advance(hours(1) - Milliseconds(1));
  EXPECT_TRUE(world_.leases.empty());
  world_.advance(Milliseconds(1));
  ASSERT_EQ(world_.leases.size(), 1U);
  // Its time has come: now it is like any other.
  world_.finish(world_.take(), Fate::kDeferred);
  EXPECT_EQ(world_.retry_now(World::everything()), 1U);
  ASSERT_EQ(world_.leases.size(), 1U);
  world_.finish(world_.take(), Fate::kDelivered);
}

}  // namespace
}  // namespace postrider::queue
