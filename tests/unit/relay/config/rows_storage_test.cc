#include <gtest/gtest.h>

#include "tests/unit/relay/config/coverage.h"

namespace postrider::config {
namespace {

TEST(RowsStorage, EveryMemberHasARow) {
  Config config;
  const Record record{&config};
  EXPECT_EQ(members_without_row(config.queue, record), 0);
  EXPECT_EQ(members_without_row(config.store, record, {}, {"directory: below server.data_dir"}), 0);
  EXPECT_EQ(members_without_row(config.journal, record), 0);
  EXPECT_EQ(members_without_row(config.admin, record), 0);
}

// What the test above rests on.
struct Sample {
  std::string text = "x";
  std::optional<IpAddress> address;
  std::vector<Endpoint> list;
  Duration duration = Seconds(1);
  policy::TlsLevel level = policy::TlsLevel::kMay;
};

TEST(RowsStorage, MembersAreCounted) {
  EXPECT_EQ(member_count<Sample>(), 5U);
  EXPECT_EQ(member_count<journal::Options>(), 3U);
}

}  // namespace
}  // namespace postrider::config
