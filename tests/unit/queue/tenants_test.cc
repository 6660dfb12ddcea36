// The limits of tenants: over the class alone, and through a queue that is stopped and started.
#include "queue/tenants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/base/log.h"
#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using ::testing::IsEmpty;

TEST(Tenants, OneThatIsFullDoesNotHinderAnother) {
  Tenants tenants({.messages_max = 2, .bytes_max = 100});
  EXPECT_EQ(tenants.admit("a", 10), Refusal::kNone);
  EXPECT_EQ(tenants.admit("a", 10), Refusal::kNone);
  EXPECT_EQ(tenants.admit("a", 10), Refusal::kTenantMessagesFull);
  EXPECT_EQ(tenants.admit("b", 100), Refusal::kNone);
  EXPECT_EQ(tenants.admit("b", 1), Refusal::kTenantBytesFull);
  tenants.take_back("a", 10);
  EXPECT_EQ(tenants.admit("a", 90), Refusal::kNone);
}

TEST(Tenants, AReportIsTakenInWhateverTheLimits) {
  Tenants tenants({.messages_max = 1, .bytes_max = 10});
  tenants.take_in("a", 500);
  tenants.take_in("a", 500);
  EXPECT_EQ(tenants.admitted("a"), (TenantRecord{2, 1000}));
  EXPECT_EQ(tenants.admit("a", 1), Refusal::kTenantMessagesFull);
}

TEST(Tenants, OneWithNothingLeftIsForgotten) {
  Tenants tenants({.messages_max = 9, .bytes_max = 9});
  EXPECT_EQ(tenants.admit("a", 10), Refusal::kTenantBytesFull);
  EXPECT_EQ(tenants.size(), 0U);
  ASSERT_EQ(tenants.admit("a", 5), Refusal::kNone);
  tenants.commit("a", {1, 5});
  tenants.take_back("a", 5);
  EXPECT_EQ(tenants.size(), 1U);
  EXPECT_EQ(tenants.committed("a", {-1, -5}), TenantRecord());
  tenants.commit("a", {-1, -5});
  EXPECT_EQ(tenants.size(), 0U);
}

class TenantLimits : public ::testing::Test {
 protected:
  TenantLimits() {
    log::set_sink([](std::string_view) {});
  }

  ~TenantLimits() override { log::set_sink(nullptr); }

  static Options options() {
    Options options;
    options.tenant_messages_max = 2;
    return options;
  }

  Refusal submit(const std::string& tenant) {
    Submission submission = world_.message({"b@example.com"});
    submission.envelope.tenant = tenant;
    return world_.submit(std::move(submission));
  }

  void restart(bool power = false) {
    power ? world_.lose_power() : world_.kill();
    world_.open();
  }

  World world_{options()};
};

TEST_F(TenantLimits, SurviveARestartAndEndWithTheMessages) {
  EXPECT_EQ(submit("a"), Refusal::kNone);
  EXPECT_EQ(submit("a"), Refusal::kNone);
  EXPECT_EQ(submit("a"), Refusal::kTenantMessagesFull);
  EXPECT_EQ(submit("b"), Refusal::kNone);
  EXPECT_EQ(submit(""), Refusal::kNone);
  for (const bool power : {false, true}) {
    restart(power);
    EXPECT_EQ(submit("a"), Refusal::kTenantMessagesFull);
  }
  world_.settle();
  while (!world_.leases.empty()) world_.finish(world_.take(), Fate::kDelivered);
  EXPECT_EQ(submit("a"), Refusal::kNone);
  EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
}

TEST_F(TenantLimits, ADamagedRecordIsCountedAnew) {
  ASSERT_EQ(submit("a"), Refusal::kNone);
  ASSERT_EQ(submit("a"), Refusal::kNone);
  world_.close();
  const auto batch = world_.store.new_batch();
  batch->put(tenant_key("a"), "no record");
  ASSERT_TRUE(world_.store.write(*batch, true));
  world_.open();
  EXPECT_EQ(submit("a"), Refusal::kTenantMessagesFull);
  EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
}

TEST_F(TenantLimits, AStoreOfVersionOneIsMigratedInOneStep) {
  ASSERT_EQ(submit("a"), Refusal::kNone);
  ASSERT_EQ(submit("a"), Refusal::kNone);
  world_.close();
  const std::string schema = state_key("schema");
  const auto batch = world_.store.new_batch();
  batch->erase(tenant_key("a"));
  batch->put(schema, encode_number(schema, 1));
  ASSERT_TRUE(world_.store.write(*batch, true));
  // Neither half of the migration is there without the other.
  world_.fail("write");
  EXPECT_FALSE(recover_totals(world_.store));
  world_.repair_store();
  world_.store.lose_power();
  EXPECT_EQ(decode_number(schema, (*world_.store.get(schema))->view()), 1U);
  world_.open();
  EXPECT_EQ(decode_number(schema, (*world_.store.get(schema))->view()), kSchemaVersion);
  EXPECT_EQ(submit("a"), Refusal::kTenantMessagesFull);
  EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
}

TEST(Changes, TooManyAtATimeAreRefusedAndCounted) {
  Options options;
  options.changes_waiting_max = 2;
  World world(options);
  int failed = 0;
  for (int i = 0; i < 3; ++i) {
    world.core->start_job(AdminOp::Kind::kRetryNow, World::everything(),
                          [&failed](const Result<std::uint64_t>& result) { failed += !result; });
  }
  EXPECT_EQ(failed, 1);
  EXPECT_THAT(world.registry.expose(),
              ::testing::HasSubstr("postrider_queue_changes_refused_total 1"));
  world.reader->step();  // one of them is now the commit thread's: it still counts
  world.core->start_job(AdminOp::Kind::kRetryNow, World::everything(),
                        [&failed](const Result<std::uint64_t>& result) { failed += !result; });
  EXPECT_EQ(failed, 2);
  world.settle();
  world.core->start_job(AdminOp::Kind::kRetryNow, World::everything(),
                        [&failed](const Result<std::uint64_t>& result) { failed += !result; });
  world.settle();
  EXPECT_EQ(failed, 2);
}

}  // namespace
}  // namespace postrider::queue
