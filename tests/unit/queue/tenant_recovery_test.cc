// The limits of tenants through a queue that is stopped and started, damaged, and migrated.
#include "queue/tenant_recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/base/log.h"
#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using ::testing::IsEmpty;

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

}  // namespace
}  // namespace postrider::queue
