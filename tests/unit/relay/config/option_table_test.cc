#include "relay/config/option_table.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

#include "relay/config/option_value.h"

namespace postrider::config {
namespace {

// Every row, with a record of its own that holds the defaults.
struct Defaults {
  Config config;
  submission::ListenerOptions listener;
  auth::User user;

  delivery::RouteOptions route;
  signing::KeyOptions dkim;
  delivery::ProviderOptions provider;
  delivery::ReplyOptions reply;
  delivery::SiteOptions site;
  delivery::SourceOptions source;

  Record record() {
    return {&config, &listener, &user, &route, &dkim, &provider, &reply, &site, &source};
  }
};

TEST(OptionTable, NamesAreUniqueAndWellFormed) {
  std::set<std::string> names;
  for (const Option& option : options()) {
    EXPECT_TRUE(names.insert(option.name()).second) << option.name() << " is there twice";
    for (const char c : option.key) {
      EXPECT_TRUE((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') << option.name();
    }
  }
  EXPECT_GT(names.size(), 90U);
}

TEST(OptionTable, EveryRowIsInASectionAndSectionsAreInOrder) {
  std::size_t seen = 0;
  for (const Section& section : sections()) {
    const auto rows = options_of(section.name);
    EXPECT_FALSE(rows.empty()) << section.name;
    for (const Option& option : rows) EXPECT_EQ(option.section, section.name);
    seen += rows.size();
  }
  EXPECT_EQ(seen, options().size());
}

TEST(OptionTable, HelpIsASentence) {
  for (const Option& option : options()) {
    EXPECT_TRUE(option.help.ends_with('.')) << option.name();
    EXPECT_TRUE(option.more.empty() || option.more.ends_with('.')) << option.name();
    EXPECT_FALSE(option.since.empty()) << option.name();
  }
  for (const Section& section : sections()) EXPECT_TRUE(section.help.ends_with('.'));
}

TEST(OptionTable, NoTwoRowsSetTheSameMember) {
  Defaults defaults;
  std::set<const void*> members;
  for (const Option& option : options()) {
    const void* member =
        std::visit([](auto* slot) -> const void* { return slot; }, option.slot(defaults.record()));
    EXPECT_TRUE(members.insert(member).second) << option.name();
  }
}

TEST(OptionTable, DefaultsAreInTheirRanges) {
  Defaults defaults;
  for (const Option& option : options()) {
    const auto value = numeric_value(option, defaults.record());
    if (!value || option.kind == Kind::kBool) continue;
    EXPECT_TRUE(option.range.contains(*value)) << option.name() << " " << *value;
  }
}

TEST(OptionTable, RangesFitTheMembersTheySet) {
  Defaults defaults;
  for (const Option& option : options()) {
    const Slot slot = option.slot(defaults.record());
    if (std::holds_alternative<std::uint16_t*>(slot)) {
      EXPECT_LE(option.range.high, 65'535) << option.name();
    } else if (std::holds_alternative<unsigned*>(slot)) {
      EXPECT_LE(option.range.high, 4'294'967'295.0) << option.name();
    } else if (option.kind == Kind::kDuration) {
      EXPECT_LE(option.range.high, 366 * 86'400.0) << option.name();
    }
    EXPECT_GE(option.range.low, 0) << option.name();
  }
}

TEST(OptionTable, KindsFitTheMembersTheySet) {
  Defaults defaults;
  for (const Option& option : options()) {
    const bool is_text = std::holds_alternative<std::string*>(option.slot(defaults.record()));
    const bool says_text =
        option.kind == Kind::kPath || option.kind == Kind::kText || option.kind == Kind::kSecret;
    EXPECT_EQ(is_text, says_text) << option.name();
    EXPECT_EQ(option.kind == Kind::kChoice, !option.choices.empty()) << option.name();
    if (option.kind == Kind::kPath || option.kind == Kind::kAddress) {
      EXPECT_NE(option.check, nullptr) << option.name();
    }
  }
}

TEST(OptionTable, FindsRowsAndSections) {
  ASSERT_NE(find_option("delivery", "port"), nullptr);
  EXPECT_EQ(find_option("delivery", "port")->name(), "delivery.port");
  EXPECT_EQ(find_option("delivery", "host_name"), nullptr);
  EXPECT_EQ(find_option("nowhere", "port"), nullptr);
  ASSERT_NE(find_section("user"), nullptr);
  EXPECT_EQ(find_section("user")->header(), "[[user]]");
  EXPECT_EQ(find_section("dns")->header(), "[dns]");
  EXPECT_EQ(find_section("users"), nullptr);
}

TEST(OptionTable, SuggestsTheNearestKey) {
  EXPECT_EQ(nearest_key("server", "hostname"), "host_name");
  EXPECT_EQ(nearest_key("server", "Data_Dir"), "data_dir");
  EXPECT_EQ(nearest_key("delivery", "conection_max"), "connections_max");
  EXPECT_EQ(nearest_key("server", "message_size_max"), "submission.message_size_max");
  EXPECT_EQ(nearest_key("server", "completely_different"), "");
  EXPECT_EQ(nearest_key("server", std::string(100'000, 'x')), "");
}

TEST(OptionTable, SuggestsTheNearestSection) {
  EXPECT_EQ(nearest_section("listeners"), "[[listener]]");
  EXPECT_EQ(nearest_section("delivry"), "[delivery]");
  EXPECT_EQ(nearest_section("host_name"), "server.host_name");
  EXPECT_EQ(nearest_section("zzzzzzzz"), "");
}

}  // namespace
}  // namespace postrider::config
