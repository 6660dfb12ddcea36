#include "relay/tool/text_table.h"

#include <gtest/gtest.h>

namespace postrider::tool {
namespace {

TEST(FormatAge, ShowsTwoUnitsAtMost) {
  EXPECT_EQ(format_age(-5), "0s");
  EXPECT_EQ(format_age(0), "0s");
  EXPECT_EQ(format_age(59), "59s");
  EXPECT_EQ(format_age(60), "1m00s");
  EXPECT_EQ(format_age(192), "3m12s");
  EXPECT_EQ(format_age(3599), "59m59s");
  EXPECT_EQ(format_age(7500), "2h05m");
  EXPECT_EQ(format_age(86'399), "23h59m");
  EXPECT_EQ(format_age(4 * 86'400 + 3 * 3600), "4d03h");
}

TEST(FormatUntil, ShowsOneUnit) {
  EXPECT_EQ(format_until(-100), "now");
  EXPECT_EQ(format_until(0), "now");
  EXPECT_EQ(format_until(1), "in 1s");
  EXPECT_EQ(format_until(125), "in 2m");
  EXPECT_EQ(format_until(3600), "in 1h");
  EXPECT_EQ(format_until(200'000), "in 2d");
}

TEST(FormatOctets, ShowsOneDecimal) {
  EXPECT_EQ(format_octets(0), "0 B");
  EXPECT_EQ(format_octets(1023), "1023 B");
  EXPECT_EQ(format_octets(1024), "1.0 KiB");
  EXPECT_EQ(format_octets(4200), "4.1 KiB");
  EXPECT_EQ(format_octets((1U << 20) - 1), "1.0 MiB");
  EXPECT_EQ(format_octets(500ULL << 30), "500.0 GiB");
  EXPECT_EQ(format_octets(~0ULL), "16384.0 PiB");
}

TEST(FormatCount, ChoosesThePlural) {
  EXPECT_EQ(format_count(0, "message"), "0 messages");
  EXPECT_EQ(format_count(1, "delivery"), "1 delivery");
  EXPECT_EQ(format_count(2, "delivery"), "2 deliveries");
  EXPECT_EQ(format_count(999, "queue"), "999 queues");
  EXPECT_EQ(format_count(1000, "queue"), "1,000 queues");
  EXPECT_EQ(format_count(20'000'000, "message"), "20,000,000 messages");
}

TEST(TextTable, AlignsItsColumns) {
  TextTable table({{"DOMAIN"}, {"N", TextTable::Align::kRight}, {"NEXT"}});
  table.add({"a.example", "5", "now"});
  table.add({"long.example.org", "1234", "in 2m"});
  EXPECT_EQ(table.to_string(),
            "DOMAIN               N  NEXT\n"
            "a.example            5  now\n"
            "long.example.org  1234  in 2m\n");
}

TEST(TextTable, HasNoSpacesAtTheEndOfALine) {
  TextTable table({{"A"}, {"B"}});
  table.add({"x", ""});
  EXPECT_EQ(table.to_string(), "A  B\nx\n");
}

}  // namespace
}  // namespace postrider::tool
