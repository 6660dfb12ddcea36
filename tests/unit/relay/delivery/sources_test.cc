#include "relay/delivery/sources.h"

#include <gmock/gmock.h>
#include <map>

#include "relay/base/random.h"

namespace postrider::delivery {
namespace {

using ::testing::ElementsAre;

queue::MessageId id(std::uint64_t number) {
  SeededRandom random(number);
  return {random.u64(), random.u64()};
}

std::vector<std::string> names(const std::vector<const Source*>& pool) {
  std::vector<std::string> all;
  for (const Source* source : pool) all.push_back(source->name);
  return all;
}

Options options(std::vector<SourceOptions> sources) {
  Options options;
  options.sources = std::move(sources);
  options.source_ipv4 = IpAddress::parse("192.0.2.9");
  return options;
}

TEST(Sources, WithoutAnyThereIsTheOneOfDelivery) {
  const Sources sources(options({}), "relay.example");
  const Source& source = sources.choose("t", id(1));
  EXPECT_EQ(source.name, "");
  EXPECT_EQ(source.host_name, "relay.example");
  EXPECT_EQ(source.ipv4, IpAddress::parse("192.0.2.9"));
}

TEST(Sources, TenantsHaveTheirOwn) {
  const Sources sources(options({{.name = "a", .tenants = {"shop", "news"}},
                                 {.name = "b"},
                                 {.name = "c", .host_name = "c.example", .tenants = {"shop"}},
                                 {.name = "d"}}),
                        "relay.example");
  EXPECT_THAT(names(sources.pool("shop")), ElementsAre("a", "c"));
  EXPECT_THAT(names(sources.pool("news")), ElementsAre("a"));
  EXPECT_THAT(names(sources.pool("")), ElementsAre("b", "d"));
  EXPECT_THAT(names(sources.pool("other")), ElementsAre("b", "d"));
  EXPECT_EQ(sources.pool("shop")[1]->host_name, "c.example");
  EXPECT_EQ(sources.pool("shop")[0]->host_name, "relay.example");
}

TEST(Sources, WhoHasNoneTakesTheOneOfDelivery) {
  const Sources sources(options({{.name = "a", .tenants = {"shop"}}}), "relay.example");
  EXPECT_THAT(names(sources.pool("other")), ElementsAre(""));
  EXPECT_EQ(sources.choose("other", id(1)).name, "");
  EXPECT_EQ(sources.choose("shop", id(1)).name, "a");
}

// What is written here must never change: a message on its way keeps its source over an upgrade.
TEST(Sources, AMessageHasTheSameSourceInEveryBuild) {
  const Sources sources(options({{.name = "a"}, {.name = "b"}, {.name = "c"}}), "relay.example");
  std::string chosen;
  for (std::uint64_t i = 1; i <= 24; ++i) {
    chosen += sources.choose("", {0x019a80000000 + i, i * 0x9e3779b97f4a7c15}).name;
  }
  EXPECT_EQ(chosen, "caabbabacccacbcabaabcccc");
}

TEST(Sources, AWeightIsAShare) {
  const Sources sources(options({{.name = "a", .weight = 1}, {.name = "b", .weight = 3}}), "r");
  std::map<std::string, int> count;
  for (std::uint64_t i = 0; i < 20'000; ++i) ++count[sources.choose("", id(i)).name];
  EXPECT_NEAR(count["a"], 5000, 400);
  EXPECT_NEAR(count["b"], 15'000, 400);
}

TEST(Sources, ANewOneTakesItsShareAndMovesNothingElse) {
  const Sources before(options({{.name = "a"}, {.name = "b"}, {.name = "c"}}), "r");
  const Sources after(options({{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}}), "r");
  int moved = 0;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const std::string& was = before.choose("", id(i)).name;
    const std::string& is = after.choose("", id(i)).name;
    if (was == is) continue;
    EXPECT_EQ(is, "d");
    ++moved;
  }
  EXPECT_NEAR(moved, 2500, 300);
}

TEST(Source, ReachesTheFamiliesItHas) {
  const IpAddress v4 = *IpAddress::parse("192.0.2.1");
  const IpAddress v6 = *IpAddress::parse("2001:db8::1");
  Source source;
  EXPECT_TRUE(source.can_reach(v4));
  EXPECT_TRUE(source.can_reach(v6));
  source.ipv6 = v6;
  EXPECT_FALSE(source.can_reach(v4));
  EXPECT_TRUE(source.can_reach(v6));
  EXPECT_EQ(source.address_for(v6), v6);
  EXPECT_FALSE(source.address_for(v4));
}

}  // namespace
}  // namespace postrider::delivery
