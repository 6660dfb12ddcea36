#include "relay/tool/tool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/base/ascii.h"
#include "relay/config/reference.h"
#include "tests/unit/relay/tool/tool_run.h"

namespace postrider::tool {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct UsageCase {
  std::vector<std::string> arguments;
  const char* says;
};

class ToolUsage : public testing::TestWithParam<UsageCase> {};

TEST_P(ToolUsage, EndsWithCode2AndAHint) {
  const Said said = run_tool(GetParam().arguments);
  EXPECT_EQ(said.code, kUsage);
  EXPECT_EQ(said.out, "");
  EXPECT_THAT(said.err, HasSubstr(GetParam().says));
  EXPECT_THAT(said.err, HasSubstr("--help'"));
}

INSTANTIATE_TEST_SUITE_P(
    Arguments, ToolUsage,
    testing::Values(UsageCase{{"serv"}, "serv"},
                    UsageCase{{"serve", "--bogus"}, "see 'postrider serve --help'"},
                    UsageCase{{"serve", "--config"}, "--config"},
                    UsageCase{{"queue"}, "postrider queue --help"},
                    UsageCase{{"queue", "list", "--limit", "0"}, "--limit"},
                    UsageCase{{"queue", "list", "--limit", "many"}, "--limit"},
                    UsageCase{{"queue", "show"}, "ID"},
                    UsageCase{{"queue", "show", "xyz"}, "'xyz' is not a message id"},
                    UsageCase{{"queue", "show", "\x1b[2J"}, "'\\x1b[2J' is not a message id"},
                    UsageCase{{"queue", "remove"}, "say which messages"},
                    UsageCase{{"queue", "retry"}, "say which messages"},
                    UsageCase{{"queue", "remove", "--all", "--domain", "x"},
                              "--all goes with no other"},
                    UsageCase{{"options", "--format", "xml"}, "--format"},
                    UsageCase{{"user"}, "postrider user --help"}));

TEST(Tool, WithoutArgumentsItShowsHelpAndFails) {
  const Said said = run_tool({});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_EQ(said.out, "");
  EXPECT_THAT(said.err, HasSubstr("Usage: postrider"));
}

TEST(Tool, ABadAdminAddressIsWrongUsage) {
  const Said said = run_tool({"queue", "list", "--admin", "8025"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_THAT(said.err, HasSubstr("--admin: '8025' is not an address"));
}

TEST(Tool, HelpIsThereForEveryCommandAndFitsATerminal) {
  const std::vector<std::vector<std::string>> commands = {
      {},          {"serve"},         {"check"},          {"queue"},           {"queue", "list"},
      {"user"},    {"queue", "show"}, {"queue", "retry"}, {"queue", "remove"}, {"user", "hash"},
      {"options"}, {"version"}};
  for (std::vector<std::string> command : commands) {
    const std::string name = command.empty() ? "postrider" : command.back();
    command.emplace_back("--help");
    const Said said = run_tool(command);
    EXPECT_EQ(said.code, kDone) << name;
    EXPECT_THAT(said.out, HasSubstr("Usage: postrider"));
    for (const std::string_view line : ascii::split(said.out, '\n')) {
      EXPECT_LE(line.size(), 80U) << line;
    }
  }
}

TEST(Tool, PrintsTheVersion) {
  EXPECT_THAT(run_tool({"version"}).out, StartsWith("postrider "));
  EXPECT_EQ(run_tool({"--version"}).out, run_tool({"version"}).out);
}

TEST(Tool, PrintsTheOptions) {
  EXPECT_EQ(run_tool({"options"}).out, config::sample_toml());
  EXPECT_EQ(run_tool({"options", "--format", "toml"}).out, config::sample_toml());
  EXPECT_EQ(run_tool({"options", "--format", "markdown"}).out, config::options_markdown());
}

}  // namespace
}  // namespace postrider::tool
