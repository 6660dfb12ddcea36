// The parts of the load generator that need no socket.
#include <cmath>
#include <gmock/gmock.h>
#include <map>

#include "bench/load/content_pool.h"
#include "bench/load/id_file.h"
#include "bench/load/latency_histogram.h"
#include "bench/load/load_options.h"

namespace postrider::bench {
namespace {

using testing::HasSubstr;

TEST(LatencyHistogram, QuantilesAreWithinABucket) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 10'000; ++i) histogram.add(std::chrono::microseconds(i));
  EXPECT_EQ(histogram.count(), 10'000U);
  EXPECT_EQ(histogram.max(), 10'000U);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.5)), 5000, 5000 * 0.016);
  EXPECT_NEAR(static_cast<double>(histogram.quantile(0.99)), 9900, 9900 * 0.016);
  EXPECT_EQ(histogram.quantile(1.0), 10'000U);
  EXPECT_DOUBLE_EQ(histogram.mean(), 5000.5);
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (const int value : {1, 2, 3, 100}) histogram.add(std::chrono::microseconds(value));
  EXPECT_EQ(histogram.quantile(0.25), 1U);
  EXPECT_EQ(histogram.quantile(0.75), 3U);
}

TEST(LatencyHistogram, TakesAnything) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0U);
  histogram.add(std::chrono::hours(-1));
  histogram.add(std::chrono::hours(1000));
  EXPECT_EQ(histogram.quantile(0.5), 0U);
  EXPECT_GT(histogram.quantile(1.0), 60'000'000'000U);
}

TEST(LatencyHistogram, MergesLikeOne) {
  LatencyHistogram a;
  LatencyHistogram b;
  LatencyHistogram both;
  for (int i = 0; i < 1000; ++i) {
    (i % 2 == 0 ? a : b).add(std::chrono::microseconds(i * i));
    both.add(std::chrono::microseconds(i * i));
  }
  a.merge(b);
  for (const double q : {0.1, 0.5, 0.999}) EXPECT_EQ(a.quantile(q), both.quantile(q));
}

std::string joined(const std::vector<Chunk>& chunks) {
  std::string text;
  for (const Chunk& chunk : chunks) text += chunk.view();
  return text;
}

TEST(ContentPool, ContentsAreWellFormedAtEverySize) {
  const ContentPool pool(2000, 1);
  for (std::size_t size = 0; size < 1000; ++size) {
    const std::string text = joined(pool.content("X: y\r\n", size, size * 7919));
    ASSERT_TRUE(text.ends_with("\r\n.\r\n")) << size;
    const std::string content = text.substr(0, text.size() - 3);
    if (size > 400) {
      EXPECT_LE(std::abs(static_cast<int>(content.size() - size)), 3) << size;
    }
    EXPECT_EQ(text.find("\r\n."), text.size() - 5);  // nothing to be stuffed
    EXPECT_THAT(content, HasSubstr("\r\n\r\n"));
    for (std::size_t cr = 0; (cr = content.find('\r', cr)) != content.npos; ++cr) {
      ASSERT_EQ(content[cr + 1], '\n');
    }
  }
}

TEST(ContentPool, MessagesDiffer) {
  const ContentPool pool(4096, 1);
  EXPECT_NE(joined(pool.content("", 4096, 1)), joined(pool.content("", 4096, 2)));
}

TEST(LoadOptions, MixesFollowTheirWeights) {
  const auto sizes = parse_size_mix("1k:70,100k:30");
  ASSERT_TRUE(sizes);
  Dice dice(1);
  std::map<std::uint64_t, int> drawn;
  for (int i = 0; i < 10'000; ++i) ++drawn[sizes->draw(dice)];
  EXPECT_EQ(drawn.size(), 2U);
  EXPECT_NEAR(drawn[1024], 7000, 300);
}

TEST(LoadOptions, DomainsShareTheWeightOfTheirRange) {
  const auto domains = parse_domain_mix("d[1-2].test:1,big.test:3");
  ASSERT_TRUE(domains);
  Dice dice(1);
  std::map<std::string, int> drawn;
  for (int i = 0; i < 8000; ++i) ++drawn[domains->draw(dice)];
  EXPECT_NEAR(drawn["big.test"], 6000, 300);
  EXPECT_NEAR(drawn["d1.test"], 1000, 200);
  EXPECT_NEAR(drawn["d2.test"], 1000, 200);
}

TEST(LoadOptions, RefusesMixesThatMeanNothing) {
  for (const char* text : {"", "1k:0", "1k:x", "x:1", "1g", "1k,,2k"}) {
    EXPECT_FALSE(parse_size_mix(text)) << text;
  }
  EXPECT_THAT(parse_domain_mix("*.test").error().text(), HasSubstr("*.test"));
}

TEST(IdFile, FindsTheId) {
  EXPECT_EQ(find_queue_id("250 2.0.0 ok queued as 4f1c"), "4f1c");
  EXPECT_EQ(find_queue_id("250 2.0.0 Ok: queued as ABC, thanks"), "ABC");
  EXPECT_EQ(find_queue_id("250 ok"), "-");
  EXPECT_EQ(find_queue_id("250 queued as "), "-");
}

}  // namespace
}  // namespace postrider::bench
