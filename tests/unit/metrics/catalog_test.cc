#include "metrics/catalog.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>
#include <string>

namespace postrider::metrics {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && text.front() >= 'a' && text.front() <= 'z' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

TEST(Catalog, HasOneRowForEachMetricInOrder) {
  ASSERT_EQ(catalog().size(), static_cast<std::size_t>(Metric::kMetricCount));
  for (std::size_t i = 0; i < catalog().size(); ++i) {
    EXPECT_EQ(catalog()[i].metric, static_cast<Metric>(i)) << catalog()[i].name;
    EXPECT_EQ(&row_of(static_cast<Metric>(i)), &catalog()[i]);
  }
}

TEST(Catalog, NamesAreValidAndOurs) {
  for (const CatalogRow& row : catalog()) {
    EXPECT_TRUE(is_name(row.name)) << row.name;
    EXPECT_TRUE(row.name.starts_with("postrider_")) << row.name;
    EXPECT_FALSE(contains(row.name, "__")) << row.name;
  }
}

TEST(Catalog, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const CatalogRow& row : catalog()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

TEST(Catalog, CountersAndOnlyCountersEndInTotal) {
  for (const CatalogRow& row : catalog()) {
    EXPECT_EQ(row.name.ends_with("_total"), row.type == Type::kCounter) << row.name;
  }
}

TEST(Catalog, UnitsAreBaseUnitsAtTheEnd) {
  for (const CatalogRow& row : catalog()) {
    for (const char* unit : {"_ms", "_milliseconds", "_minutes", "_kb", "_mb", "_octets"}) {
      EXPECT_FALSE(contains(row.name, unit)) << row.name;
    }
    const bool is_moment =
        row.name.ends_with("_timestamp_seconds") || row.metric == Metric::kStartTime;
    const bool is_distance = row.metric == Metric::kClockAhead;
    EXPECT_EQ(row.name.ends_with("_seconds"),
              row.type == Type::kHistogramSeconds || is_moment || is_distance)
        << row.name;
  }
}

// These endings belong to the series a histogram is made of.
TEST(Catalog, NoNameCollidesWithAHistogramsSeries) {
  for (const CatalogRow& row : catalog()) {
    for (const char* ending : {"_bucket", "_sum", "_count"}) {
      EXPECT_FALSE(row.name.ends_with(ending)) << row.name;
    }
  }
}

TEST(Catalog, LabelsAreValid) {
  for (const CatalogRow& row : catalog()) {
    if (row.label.empty()) continue;
    EXPECT_TRUE(is_name(row.label)) << row.name;
    EXPECT_NE(row.label, "le") << row.name;
  }
}

// The exposition writes help as it stands, so it must need no escaping.
TEST(Catalog, HelpIsOneParagraphOfSentences) {
  for (const CatalogRow& row : catalog()) {
    EXPECT_GT(row.help.size(), 20U) << row.name;
    EXPECT_TRUE(row.help.ends_with(".")) << row.name;
    EXPECT_EQ(row.help.find_first_of("\n\r\\\t"), std::string_view::npos) << row.name;
    EXPECT_FALSE(contains(row.help, "  ")) << row.name;
  }
}

}  // namespace
}  // namespace postrider::metrics
