// The limits of tenants, and of changes by operators.
#include "queue/tenants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

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
