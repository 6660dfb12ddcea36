#include <gtest/gtest.h>

#include "tests/unit/relay/config/coverage.h"
#include "tests/unit/relay/config/load_text.h"

namespace postrider::config {
namespace {

TEST(RowsDelivery, EveryMemberHasARow) {
  Config config;
  const Record record{&config};
  const delivery::Options& options = config.delivery;
  EXPECT_EQ(
      members_without_row(options, record,
                          {nested(options.timeouts), nested(options.retry), nested(options.window)},
                          {"routes", "providers", "replies", "sites", "sources"}),
      0);
  EXPECT_EQ(members_without_row(options.timeouts, record), 0);
  EXPECT_EQ(members_without_row(options.retry, record), 0);
  EXPECT_EQ(members_without_row(options.window, record), 0);
}

TEST(RowsDelivery, EveryMemberOfARouteHasARow) {
  Config config;
  delivery::RouteOptions route;
  EXPECT_EQ(members_without_row(route, Record{&config, nullptr, nullptr, &route}), 0);
}

TEST(RowsDelivery, EveryMemberOfDnsHasARow) {
  Config config;
  EXPECT_EQ(members_without_row(config.dns, Record{&config}), 0);
}

TEST(RowsDelivery, TheTlsLevelsAreThoseOfThePolicy) {
  const Option* level = find_option("delivery", "tls");
  ASSERT_NE(level, nullptr);
  for (std::size_t i = 0; i < level->choices.size(); ++i) {
    EXPECT_EQ(level->choices[i], policy::name_of(static_cast<policy::TlsLevel>(i)));
  }
}

TEST(RowsDelivery, ATenantHasOneWeight) {
  EXPECT_EQ(
      problems_of(std::string("[delivery]\ntenant_weights = [\"shop:3\", \"shop:4\"]\n") + kRest),
      std::vector<std::string>{"2: delivery.tenant_weights: 'shop' is there twice"});
  EXPECT_EQ(
      problems_of(std::string("[delivery]\ntenant_weights = [\"shop:3\", \"news\"]\n") + kRest),
      std::vector<std::string>{"2: delivery.tenant_weights: expected a tenant and its weight, like "
                               "\"shop:3\""});
}

}  // namespace
}  // namespace postrider::config
