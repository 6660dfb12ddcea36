#include "dns/mx_plan.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace postrider::dns {
namespace {

using ::testing::ElementsAre;

class MxPlanTest : public ::testing::Test {
 protected:
  MxPlan plan(std::vector<MxRecord> records) {
    return make_plan("example.org", std::move(records), random_);
  }

  static std::vector<std::string> names(const MxPlan& plan) {
    std::vector<std::string> names;
    for (const MxRecord& record : plan.hosts) names.push_back(record.host);
    return names;
  }

  SeededRandom random_{7};
};

TEST_F(MxPlanTest, WithoutRecordsTheDomainIsTheHost) {
  const MxPlan made = plan({});
  EXPECT_EQ(made.kind, PlanKind::kImplicit);
  EXPECT_THAT(names(made), ElementsAre("example.org"));
  EXPECT_EQ(site_name(made), "example.org");
}

TEST_F(MxPlanTest, HostsAreInOrderOfPreference) {
  const MxPlan made = plan({{30, "c"}, {10, "a"}, {20, "b"}});
  EXPECT_EQ(made.kind, PlanKind::kHosts);
  EXPECT_THAT(names(made), ElementsAre("a", "b", "c"));
}

TEST_F(MxPlanTest, TheRootAloneIsNullMx) {
  EXPECT_EQ(plan({{0, ""}}).kind, PlanKind::kNullMx);
  EXPECT_EQ(plan({{10, ""}, {20, ""}}).kind, PlanKind::kNullMx);
  EXPECT_TRUE(plan({{0, ""}}).hosts.empty());
}

TEST_F(MxPlanTest, BesideOtherHostsTheRootIsIgnored) {
  const MxPlan made = plan({{0, ""}, {10, "a"}});
  EXPECT_EQ(made.kind, PlanKind::kHosts);
  EXPECT_THAT(names(made), ElementsAre("a"));
}

TEST_F(MxPlanTest, AHostCountsOnceWithItsBestPreference) {
  const MxPlan made = plan({{30, "a"}, {20, "b"}, {10, "a"}});
  EXPECT_THAT(names(made), ElementsAre("a", "b"));
  EXPECT_EQ(made.hosts[0].preference, 10);
}

TEST_F(MxPlanTest, TiesAreShuffledEvenly) {
  std::vector<int> first(3);
  for (int i = 0; i < 3000; ++i) {
    const MxPlan made = plan({{10, "a"}, {10, "b"}, {10, "c"}, {20, "d"}});
    ASSERT_EQ(made.hosts.back().host, "d");
    ++first[static_cast<std::size_t>(made.hosts.front().host[0] - 'a')];
  }
  for (const int count : first) EXPECT_NEAR(count, 1000, 150);
}

TEST_F(MxPlanTest, TheBestOfManyAreKeptAlwaysTheSame) {
  std::vector<MxRecord> records;
  for (int i = 0; i < 200; ++i) records.push_back({10, "mx" + std::to_string(i)});
  records.push_back({5, "best"});
  const MxPlan one = plan(records);
  std::reverse(records.begin(), records.end());
  const MxPlan other = plan(records);
  EXPECT_EQ(one.hosts.size(), kHostsMax);
  EXPECT_EQ(one.hosts[0].host, "best");
  EXPECT_EQ(site_name(one), site_name(other));
  EXPECT_NE(names(one), names(other));
}

TEST_F(MxPlanTest, TheSiteIsNamedAfterItsHostsInAnyOrder) {
  EXPECT_EQ(site_name(plan({{10, "b.x"}, {20, "a.x"}})), "a.x,b.x");
  EXPECT_EQ(site_name(plan({{20, "b.x"}, {10, "a.x"}})), "a.x,b.x");
  EXPECT_EQ(site_name(plan({{0, ""}})), "");
}

}  // namespace
}  // namespace postrider::dns
