#include <gtest/gtest.h>

#include "tests/unit/relay/config/coverage.h"

namespace postrider::config {
namespace {

TEST(RowsSubmission, EveryMemberHasARow) {
  Config config;
  const Record record{&config};
  const submission::Options& options = config.submission;
  EXPECT_EQ(members_without_row(
                options, record,
                {nested(options.admission), nested(options.session), nested(options.login_guard)},
                {"listeners: entries of [[listener]]"}),
            0);
  EXPECT_EQ(members_without_row(options.admission, record), 0);
  EXPECT_EQ(members_without_row(options.login_guard, record), 0);
  EXPECT_EQ(members_without_row(options.session, record, {},
                                {"host_name: server.host_name", "mode: listener.mode",
                                 "tls_available: of each listener"}),
            0);
}

TEST(RowsSubmission, EveryMemberOfAuthAndOfAUserHasARow) {
  Config config;
  auth::User user;
  const Record record{&config, nullptr, &user};
  EXPECT_EQ(members_without_row(config.auth, record, {}, {"users: entries of [[user]]"}), 0);
  EXPECT_EQ(members_without_row(user, record), 0);
}

}  // namespace
}  // namespace postrider::config
