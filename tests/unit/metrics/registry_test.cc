#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "metrics/metrics.h"

namespace postrider::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::size_t count_lines(const std::string& text, const std::string& prefix) {
  std::size_t count = 0;
  for (const std::string& line : lines_of(text)) count += line.starts_with(prefix) ? 1 : 0;
  return count;
}

class RegistryTest : public ::testing::Test {
 protected:
  // The sample of a series, named as it stands in the exposition.
  std::string sample(const std::string& series) {
    for (const std::string& line : lines_of(registry_.expose())) {
      if (line.starts_with(series + " ")) return line.substr(series.size() + 1);
    }
    return "absent";
  }

  Registry registry_;
};

TEST_F(RegistryTest, CountersCount) {
  const Counter counter = registry_.counter(Metric::kMessagesAccepted);
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.value(), 42U);
  EXPECT_EQ(sample("postrider_messages_accepted_total"), "42");
}

TEST_F(RegistryTest, GaugesGoBothWays) {
  const Gauge gauge = registry_.gauge(Metric::kQueueMessages);
  gauge.set(10);
  gauge.add(-3);
  EXPECT_DOUBLE_EQ(gauge.value(), 7);
  EXPECT_EQ(sample("postrider_queue_messages"), "7");
}

TEST_F(RegistryTest, HistogramsCountWhatWasObserved) {
  const Histogram histogram = registry_.histogram(Metric::kDnsSeconds);
  histogram.observe(0.003);
  histogram.observe(1e9);
  EXPECT_EQ(sample("postrider_dns_seconds_count"), "2");
  EXPECT_EQ(sample("postrider_dns_seconds_bucket{le=\"0.0025\"}"), "0");
  EXPECT_EQ(sample("postrider_dns_seconds_bucket{le=\"0.005\"}"), "1");
  EXPECT_EQ(sample("postrider_dns_seconds_bucket{le=\"+Inf\"}"), "2");
}

TEST_F(RegistryTest, HistogramsIgnoreWhatWouldSpoilTheirSum) {
  const Histogram histogram = registry_.histogram(Metric::kQueueGroupSize);
  histogram.observe(std::numeric_limits<double>::quiet_NaN());
  histogram.observe(std::numeric_limits<double>::infinity());
  histogram.observe(5);
  EXPECT_EQ(sample("postrider_queue_group_size_sum"), "5");
  EXPECT_EQ(sample("postrider_queue_group_size_bucket{le=\"8\"}"), "1");
}

TEST_F(RegistryTest, HandlesOfOneSeriesShareIt) {
  registry_.counter(Metric::kRepliesRefused, "relay").add();
  registry_.counter(Metric::kRepliesRefused, "relay").add();
  registry_.counter(Metric::kRepliesRefused, "size").add();
  EXPECT_EQ(sample("postrider_replies_refused_total{reason=\"relay\"}"), "2");
  EXPECT_EQ(sample("postrider_replies_refused_total{reason=\"size\"}"), "1");
}

TEST_F(RegistryTest, DefaultHandlesCountNothing) {
  Counter().add();
  Gauge().set(1);
  Histogram().observe(1);
  EXPECT_EQ(Counter().value(), 0U);
  EXPECT_DOUBLE_EQ(Gauge().value(), 0);
}

TEST_F(RegistryTest, UnlabelledSeriesAreThereFromTheStart) {
  const std::string text = registry_.expose();
  for (const CatalogRow& row : catalog()) {
    const std::string name(row.name);
    const bool histogram = row.type == Type::kHistogramSeconds || row.type == Type::kHistogramCount;
    const std::string first = name + (histogram ? "_count 0" : " 0");
    EXPECT_EQ(count_lines(text, first), row.label.empty() ? 1U : 0U) << name;
  }
}

TEST_F(RegistryTest, LabelValuesBeyondTheLimitShareOther) {
  for (std::size_t i = 0; i < Registry::kLabelValuesMax + 10; ++i) {
    registry_.counter(Metric::kConnectionsRefused, "reason" + std::to_string(i)).add();
  }
  const std::string text = registry_.expose();
  EXPECT_EQ(count_lines(text, "postrider_connections_refused_total{"),
            Registry::kLabelValuesMax + 1);
  EXPECT_EQ(sample("postrider_connections_refused_total{reason=\"other\"}"), "10");
  EXPECT_EQ(sample("postrider_connections_refused_total{reason=\"reason63\"}"), "1");
  EXPECT_EQ(sample("postrider_connections_refused_total{reason=\"reason64\"}"), "absent");
}

TEST_F(RegistryTest, AtTheLimitKnownLabelValuesKeepTheirSeries) {
  const Counter first = registry_.counter(Metric::kConnectionsRefused, "first");
  for (std::size_t i = 0; i < 2 * Registry::kLabelValuesMax; ++i) {
    registry_.counter(Metric::kConnectionsRefused, "reason" + std::to_string(i)).add();
  }
  registry_.counter(Metric::kConnectionsRefused, "first").add();
  EXPECT_EQ(first.value(), 1U);
}

TEST_F(RegistryTest, LabelValuesCannotBreakTheExposition) {
  registry_.counter(Metric::kRepliesRefused, "a\"b\nc\xff").add();
  registry_.counter(Metric::kRepliesRefused).add();
  registry_.counter(Metric::kRepliesRefused, std::string(10'000, 'x')).add();
  const std::string text = registry_.expose();
  EXPECT_THAT(text, HasSubstr("reason=\"unknown\""));
  EXPECT_THAT(text, Not(HasSubstr("\xff")));
  for (const std::string& line : lines_of(text)) EXPECT_LT(line.size(), 1000U);
}

TEST_F(RegistryTest, CollectorsRunBeforeEachExposition) {
  int calls = 0;
  const Gauge gauge = registry_.gauge(Metric::kQueueLeases);
  registry_.add_collector([&] { gauge.set(++calls); });
  EXPECT_EQ(sample("postrider_queue_leases"), "1");
  EXPECT_EQ(sample("postrider_queue_leases"), "2");
  registry_.clear_collectors();
  EXPECT_EQ(sample("postrider_queue_leases"), "2");
}

TEST_F(RegistryTest, ThreadsMayShareIt) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 2000; ++i) {
        registry_.counter(Metric::kConnectionsOut, std::to_string(i % 100)).add();
        if (i % 500 == 0) registry_.expose();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  double sum = 0;
  for (const std::string& line : lines_of(registry_.expose())) {
    if (line.starts_with("postrider_connections_out_total{")) {
      sum += std::stod(line.substr(line.rfind(' ')));
    }
  }
  EXPECT_DOUBLE_EQ(sum, 8000);
}

// What a checker of the text format 0.0.4 asks for: HELP and TYPE once and first, samples of the
// family behind them, each series once, every bucket cumulative.
TEST_F(RegistryTest, ExpositionIsWellFormed) {
  registry_.counter(Metric::kRepliesRefused, "quote\"d").add();
  registry_.gauge(Metric::kBuildInfo, "1.0").set(1);
  registry_.histogram(Metric::kSubmitSeconds).observe(0.2);
  const std::regex help(R"(# HELP ([a-z_]+) \S.*)");
  const std::regex type(R"(# TYPE ([a-z_]+) (counter|gauge|histogram))");
  const std::regex sample_line(
      R"re(([a-z_]+)(\{[a-z_]+="([^"\\\n]|\\["\\n])*"\})? (\+Inf|-?[0-9][0-9.eE+-]*))re");
  std::string family;
  std::set<std::string> families;
  std::set<std::string> series;
  for (const std::string& line : lines_of(registry_.expose())) {
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      family = match[1];
      EXPECT_TRUE(families.insert(family).second) << line;
    } else if (std::regex_match(line, match, type)) {
      EXPECT_EQ(match[1], family) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample_line)) << line;
      EXPECT_TRUE(match[1].str().starts_with(family)) << line;
      EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
  }
  EXPECT_TRUE(registry_.expose().ends_with("\n"));
  EXPECT_TRUE(families.contains("postrider_replies_refused_total"));
}

TEST_F(RegistryTest, ExpositionKeepsTheCatalogsOrder) {
  std::vector<std::string> names;
  for (const std::string& line : lines_of(registry_.expose())) {
    if (line.starts_with("# TYPE ")) names.push_back(line.substr(7, line.find(' ', 7) - 7));
  }
  std::vector<std::string> expected;
  for (const CatalogRow& row : catalog()) {
    if (row.label.empty()) expected.emplace_back(row.name);
  }
  EXPECT_EQ(names, expected);
}

using RegistryDeathTest = RegistryTest;

TEST_F(RegistryDeathTest, AskingForTheWrongTypeOrLabelIsOurBug) {
  EXPECT_DEATH(registry_.gauge(Metric::kMessagesAccepted), "postrider_messages_accepted_total");
  EXPECT_DEATH(registry_.counter(Metric::kMessagesAccepted, "x"), "postrider_messages");
  EXPECT_DEATH(registry_.counter(Metric::kMetricCount), "not a metric");
}

}  // namespace
}  // namespace postrider::metrics
