#include "bench/sim/statistics.h"

#include <gmock/gmock.h>

namespace postrider::bench {
namespace {

using testing::HasSubstr;

TEST(FingerprintSet, FindsWhatWasInserted) {
  FingerprintSet set;
  for (std::uint64_t i = 0; i < 10'000; ++i) EXPECT_TRUE(set.insert(i * 0x9E3779B97F4A7C15ULL + 2));
  for (std::uint64_t i = 0; i < 10'000; ++i)
    EXPECT_FALSE(set.insert(i * 0x9E3779B97F4A7C15ULL + 2));
  EXPECT_EQ(set.size(), 10'000U);
}

TEST(Statistics, ASequenceTwiceAtARecipientIsADuplicate) {
  Statistics statistics;
  statistics.note_delivery("r-1", "a@x.test");
  statistics.note_delivery("r-1", "b@x.test");
  statistics.note_delivery("r-2", "a@x.test");
  EXPECT_EQ(statistics.duplicates, 0U);
  statistics.note_delivery("r-1", "a@x.test");
  EXPECT_EQ(statistics.duplicates, 1U);
  EXPECT_EQ(statistics.distinct(), 3U);
}

TEST(Statistics, ResetForgets) {
  Statistics statistics;
  statistics.messages = 5;
  statistics.open_connections = 2;
  statistics.note_delivery("r-1", "a@x.test");
  statistics.reset();
  EXPECT_EQ(statistics.messages, 0U);
  EXPECT_EQ(statistics.open_connections, 2U);
  statistics.note_delivery("r-1", "a@x.test");
  EXPECT_EQ(statistics.duplicates, 0U);
  EXPECT_THAT(statistics.json(3, 4), HasSubstr("\"dns_udp\":3,\"dns_tcp\":4"));
}

}  // namespace
}  // namespace postrider::bench
