#include <gtest/gtest.h>

#include "tests/unit/relay/config/coverage.h"

namespace postrider::config {
namespace {

TEST(RowsServer, EveryMemberHasARow) {
  Config config;
  submission::ListenerOptions listener;
  const Record record{&config, &listener};
  EXPECT_EQ(members_without_row(config.server, record), 0);
  EXPECT_EQ(members_without_row(config.tls, record), 0);
  EXPECT_EQ(members_without_row(listener, record), 0);
}

TEST(RowsServer, EveryModuleHasItsPlaceInTheConfiguration) {
  Config config;
  EXPECT_EQ(
      members_without_row(config, Record{&config},
                          {nested(config.server), nested(config.tls), nested(config.submission),
                           nested(config.auth), nested(config.signing), nested(config.delivery),
                           nested(config.dns), nested(config.queue), nested(config.store),
                           nested(config.journal), nested(config.admin)}),
      0);
}

TEST(RowsServer, TheModesAreThoseOfTheProtocol) {
  const Option* mode = find_option("listener", "mode");
  ASSERT_NE(mode, nullptr);
  for (std::size_t i = 0; i < mode->choices.size(); ++i) {
    EXPECT_EQ(mode->choices[i], smtp::name_of(static_cast<smtp::ListenerMode>(i)));
  }
}

}  // namespace
}  // namespace postrider::config
