#include "relay/config/reference.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <regex>
#include <sstream>

#include "relay/base/ascii.h"
#include "relay/config/option_value.h"
#include "tests/unit/relay/config/load_text.h"

namespace postrider::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string deployed(const std::string& name) {
  // The test runs somewhere below the root of the tree.
  auto root = std::filesystem::current_path();
  while (!exists(root / "deploy" / name) && root.has_relative_path()) root = root.parent_path();
  std::ifstream file(root / "deploy" / name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Reference, TheSampleFileIsFresh) {
  EXPECT_TRUE(deployed("postrider.sample.toml") == sample_toml())
      << "the option table has changed; run\n"
         "  postrider options > deploy/postrider.sample.toml";
}

TEST(Reference, TheReferencePageIsFresh) {
  EXPECT_TRUE(deployed("options.md") == options_markdown())
      << "the option table has changed; run\n"
         "  postrider options --format markdown > deploy/options.md";
}

TEST(Reference, TheSampleIsAGoodConfiguration) {
  const LoadResult loaded = load(sample_toml());
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.server.host_name, "relay.example.com");
  EXPECT_EQ(loaded.config.server.user, "postrider");
  EXPECT_EQ(loaded.config.submission.listeners.size(), 2U);
  EXPECT_EQ(loaded.config.auth.users_file, "/etc/postrider/users.toml");
}

// The sample with every "# key = value" uncommented.
std::string all_uncommented(const std::string& sample) {
  static const std::regex commented("\n# ([a-z][a-z0-9_]* = )");
  return std::regex_replace(sample, commented, "\n$1");
}

TEST(Reference, EveryCommentedOptionOfTheSampleIsGood) {
  std::string text = all_uncommented(sample_toml());
  // The commented entries have a header too.
  for (const char* commented :
       {"\n# [[listener]]\n", "\n# [[route]]\n", "\n# [[dkim]]\n", "\n# [[provider]]\n",
        "\n# [[reply]]\n", "\n# [[site]]\n", "\n# [[source]]\n"}) {
    const std::size_t header = text.find(commented);
    ASSERT_NE(header, std::string::npos);
    text.erase(header + 1, 2);
  }
  const LoadResult loaded = load(text);
  EXPECT_THAT(loaded.problems, IsEmpty());
  for (const Option& option : options()) {
    if (find_section(option.section)->repeats()) continue;
    EXPECT_TRUE(loaded.lines.contains(option.name())) << option.name();
  }
}

TEST(Reference, CommentedOptionsShowTheDefault) {
  Config defaults;
  const LoadResult loaded = load(all_uncommented(sample_toml()));
  Config config = loaded.config;
  for (const Option& option : options()) {
    if (find_section(option.section)->repeats()) continue;
    if (!option.sample.empty() || !option.example.empty()) continue;
    EXPECT_EQ(literal(option, Record{&config}), literal(option, Record{&defaults}))
        << option.name();
  }
}

TEST(Reference, TheSampleFitsATerminal) {
  const std::string sample = sample_toml();
  for (const std::string_view line : ascii::split(sample, '\n')) {
    EXPECT_LE(line.size(), 95U) << line;
  }
}

TEST(Reference, ThePageHasEveryOption) {
  const std::string page = options_markdown();
  for (const Option& option : options()) {
    EXPECT_THAT(page, HasSubstr("| `" + std::string(option.key) + "` | "));
  }
  EXPECT_THAT(page, HasSubstr("| `port` | number, 1 to 65535 | `25` | 0.1 | The port on which"));
  EXPECT_THAT(page, HasSubstr("## `[[listener]]`"));
}

TEST(Reference, EveryRowOfThePageHasFiveCells) {
  const std::string page = options_markdown();
  for (const std::string_view line : ascii::split(page, '\n')) {
    if (!line.starts_with("| ")) continue;
    std::size_t bars = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '|' && (i == 0 || line[i - 1] != '\\')) ++bars;
    }
    EXPECT_EQ(bars, 6U) << line;
  }
}

TEST(Dump, ShowsValuesAndWhereTheyComeFrom) {
  const std::string dump = dump_toml(load(std::string("[dns]\nipv6 = false\n") + kRest));
  EXPECT_THAT(dump, HasSubstr("ipv6 = false  # line 2\n"));
  EXPECT_THAT(dump, HasSubstr("port = 25  # default\n"));
  EXPECT_THAT(dump, HasSubstr("[[listener]]\naddress = \"127.0.0.1:587\"  # line 10\n"));
}

TEST(Dump, IsAConfigurationThatMeansTheSame) {
  const LoadResult loaded = load(std::string("[retry]\ngrowth = 4\n") + kRest);
  const LoadResult again = load(dump_toml(loaded));
  EXPECT_THAT(again.problems, IsEmpty());
  Config before = loaded.config;
  Config after = again.config;
  for (const Option& option : options()) {
    if (find_section(option.section)->repeats()) continue;
    EXPECT_EQ(literal(option, Record{&before}), literal(option, Record{&after})) << option.name();
  }
}

TEST(Dump, HidesSecrets) {
  const std::string dump =
      dump_toml(load(std::string("[admin]\ntoken = \"0123456789abcdef\"\n") + kRest));
  EXPECT_THAT(dump, HasSubstr("token = \"(hidden)\"  # line 2"));
  EXPECT_THAT(dump, Not(HasSubstr("0123456789abcdef")));
}

}  // namespace
}  // namespace postrider::config
