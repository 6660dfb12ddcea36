#include "relay/delivery/destinations.h"

#include <gtest/gtest.h>

namespace postrider::delivery {
namespace {

dns::Route route(const std::string& site) {
  dns::Route route;
  route.status = dns::RouteStatus::kFound;
  route.site = site;
  return route;
}

class DestinationsTest : public testing::Test {
 protected:
  Destination find(const std::string& domain, const std::string& site) {
    return Destinations(options_).find(domain, Hop{}, route(site));
  }

  policy::Limits limits(const Destination& destination, const Source& source = {}) {
    return Destinations(options_).site_limits(destination, source);
  }

  Options options_;
};

TEST(FitsHost, ANameOrAllBelowIt) {
  EXPECT_TRUE(fits_host("mx.example", "mx.example"));
  EXPECT_FALSE(fits_host("mx.example", "a.mx.example"));
  EXPECT_TRUE(fits_host(".mx.example", "a.mx.example"));
  EXPECT_TRUE(fits_host(".mx.example", "b.a.mx.example"));
  EXPECT_FALSE(fits_host(".mx.example", "mx.example"));
  EXPECT_FALSE(fits_host(".mx.example", ".mx.example"));
  EXPECT_FALSE(fits_host("mx.example", "amx.example"));
}

TEST_F(DestinationsTest, WithoutRulesThereAreTheDefaults) {
  const Destination found = find("a.example", "mx.a.example");
  EXPECT_EQ(found.site, "mx.a.example");
  EXPECT_EQ(found.owner(), "mx.a.example");
  EXPECT_EQ(found.provider, nullptr);
  const policy::Limits defaults = limits(found);
  EXPECT_EQ(defaults.connections_max.value, 20U);
  EXPECT_EQ(defaults.connections_max.from, "[delivery]");
  EXPECT_EQ(defaults.messages_per_connection_max.value, 500U);
  EXPECT_EQ(defaults.recipients_per_transaction_max.value, 100U);
  EXPECT_FALSE(defaults.message_rate.value.is_limited());
}

TEST_F(DestinationsTest, ASiteIsAProvidersIfAllItsHostsAre) {
  options_.providers = {{"big", {".big.example", "mx.alt.example"}, {}}};
  EXPECT_EQ(find("a", "mx1.big.example,mx2.big.example").owner(), "big");
  EXPECT_EQ(find("a", "mx.alt.example,mx2.big.example").owner(), "big");
  EXPECT_EQ(find("a", "backup.a.example,mx1.big.example").provider, nullptr);
}

TEST_F(DestinationsTest, TheFirstProviderThatFitsCounts) {
  options_.providers = {{"near", {".eu.big.example"}, {}}, {"big", {".big.example"}, {}}};
  EXPECT_EQ(find("a", "mx.eu.big.example").provider->name, "near");
  EXPECT_EQ(find("a", "mx.us.big.example").provider->name, "big");
}

TEST_F(DestinationsTest, ASmartHostIsItsSite) {
  options_.providers = {{"big", {".big.example"}, {}}};
  Hop hop;
  hop.host = "smtp.big.example";
  hop.site = "smtp.big.example:587 encrypt";
  const Destination found = Destinations(options_).find("a", hop, route("smtp.big.example"));
  EXPECT_EQ(found.site, hop.site);
  EXPECT_EQ(found.provider->name, "big");
}

TEST_F(DestinationsTest, ADomainWithARuleHasASiteOfItsOwn) {
  options_.providers = {{"big", {".big.example"}, {}}};
  options_.sites = {{"a.example", "", {.connections_max = 2}}, {"", ".big.example", {}}};
  const Destination own = find("a.example", "mx.big.example");
  EXPECT_EQ(own.site, "mx.big.example for a.example");
  EXPECT_EQ(own.owner(), "big");
  EXPECT_EQ(limits(own).connections_max.value, 2U);
  EXPECT_EQ(limits(own).connections_max.from, "domain a.example");
  const Destination other = find("b.example", "mx.big.example");
  EXPECT_EQ(other.site, "mx.big.example");
  EXPECT_EQ(other.rule, &options_.sites[1]);
}

TEST_F(DestinationsTest, OfAProviderTheWholeIsNotWhatEachMayHave) {
  options_.providers = {{"big",
                         {".big.example"},
                         {.connections_max = 5,
                          .messages_per_connection_max = 20,
                          .message_rate = policy::Rate{10, Seconds(60)}}}};
  const Destination found = find("a", "mx.big.example");
  const policy::Limits each = limits(found);
  EXPECT_EQ(each.connections_max.value, 20U);
  EXPECT_EQ(each.messages_per_connection_max.value, 20U);
  EXPECT_EQ(each.messages_per_connection_max.from, "provider big");
  EXPECT_FALSE(each.message_rate.value.is_limited());
  const policy::Limits all = Destinations(options_).provider_limits(*found.provider, {});
  EXPECT_EQ(all.connections_max.value, 5U);
  EXPECT_EQ(all.message_rate.value.count, 10U);
  EXPECT_EQ(all.message_rate.from, "provider big");
}

TEST_F(DestinationsTest, ASourceLowersBoth) {
  options_.providers = {{"big", {".big.example"}, {}}};
  Source cold;
  cold.name = "cold";
  cold.limits = {.connections_max = 3, .message_rate = policy::Rate{10, Seconds(60)}};
  const Destination found = find("a", "mx.big.example");
  EXPECT_EQ(limits(found, cold).connections_max.value, 3U);
  EXPECT_EQ(limits(found, cold).connections_max.from, "source cold");
  const policy::Limits all = Destinations(options_).provider_limits(*found.provider, cold);
  EXPECT_EQ(all.connections_max.value, 3U);
  EXPECT_EQ(all.message_rate.value.count, 10U);
  EXPECT_EQ(Destinations(options_).provider_limits(*found.provider, {}).connections_max.value,
            Destinations::kNoLimit);
}

}  // namespace
}  // namespace postrider::delivery
