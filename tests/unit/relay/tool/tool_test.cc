#include "relay/tool/tool.h"

#include <cstdio>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

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

INSTANTIATE_TEST_SUITE_P(
    GivenAndEmpty, ToolUsage,
    testing::Values(
        UsageCase{{"queue", "remove", "--sender", "a@b.test", "--domain", ""}, "--domain is empty"},
        UsageCase{{"queue", "remove", "--domain", "b.test", ""}, "ID is empty"},
        UsageCase{{"queue", "hold", "--domain", "b.test", "--sender", ""}, "--sender is empty"},
        UsageCase{{"queue", "retry", "--domain", "b.test", "--tenant", ""}, "--tenant is empty"},
        UsageCase{{"queue", "release", "--tenant", "t", "--campaign", ""}, "--campaign is empty"},
        UsageCase{{"queue", "remove", "--tenant", "t", "--older-than", ""}, "--older-than"},
        UsageCase{{"queue", "suspend", "--tenant", "t", "--domain", ""}, "--domain is empty"},
        UsageCase{{"queue", "suspend", "--tenant", "t", "--for", ""}, "--for"},
        UsageCase{{"queue", "suspend", "--tenant", "t", "--reason", ""}, "--reason is empty"},
        UsageCase{{"queue", "resume", "--tenant", "t", "--campaign", ""}, "--campaign is empty"},
        UsageCase{{"queue", "list", "--domain", ""}, "--domain is empty"},
        UsageCase{{"queue", "list", "--from", ""}, "--from is empty"},
        UsageCase{{"queue", "list", "--limit", ""}, "--limit"},
        UsageCase{{"queue", "list", "--admin", ""}, "--admin is empty"},
        UsageCase{{"queue", "list", "--config", ""}, "--config is empty"},
        UsageCase{{"queue", "show", ""}, "ID is empty"},
        UsageCase{{"explain", "a@b.test", "--tenant", ""}, "--tenant is empty"},
        UsageCase{{"explain", ""}, "ADDRESS is empty"},
        UsageCase{{"user", "add", "x", "--sender", ""}, "--sender is empty"},
        UsageCase{{"user", "add", "x", "--sender", "*", "--tenant", ""}, "--tenant is empty"},
        UsageCase{{"user", "add", "x", "--sender", "*", "--certificate", ""}, "--certificate is"},
        UsageCase{{"user", "add", "x", "--sender", "*", "--priority-max", ""}, "--priority-max is"},
        UsageCase{{"user", "remove", ""}, "NAME is empty"},
        UsageCase{{"user", "list", "--file", ""}, "--file is empty"},
        UsageCase{{"user", "hash", "--name", ""}, "--name is empty"},
        UsageCase{{"options", "--format", ""}, "--format"},
        UsageCase{{"serve", "--config", ""}, "--config is empty"}));

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

// What `arguments` come to where standard output is a full disk.
Said run_on_a_full_disk(const std::vector<std::string>& arguments) {
  return caught([&] {
    std::fflush(stdout);
    const int before = ::dup(STDOUT_FILENO);
    const int full = ::open("/dev/full", O_WRONLY);
    ::dup2(full, STDOUT_FILENO);
    ::close(full);
    const int code = run_tool_uncaught(arguments);
    ::dup2(before, STDOUT_FILENO);
    ::close(before);
    std::clearerr(stdout);
    return code;
  });
}

TEST(Tool, OutputThatIsLostIsAFailure) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"options"}, {"version"}, {"queue", "list", "--help"}}) {
    const Said said = run_on_a_full_disk(arguments);
    EXPECT_EQ(said.code, kFailed) << arguments.back();
    EXPECT_EQ(said.err, "postrider: cannot write to standard output: No space left on device\n");
  }
  EXPECT_EQ(run_on_a_full_disk({"queue", "show"}).code, kUsage);
  EXPECT_EQ(run_tool({"version"}).code, kDone);
}

TEST(Tool, PrintsTheOptions) {
  EXPECT_EQ(run_tool({"options"}).out, config::sample_toml());
  EXPECT_EQ(run_tool({"options", "--format", "toml"}).out, config::sample_toml());
  EXPECT_EQ(run_tool({"options", "--format", "markdown"}).out, config::options_markdown());
}

}  // namespace
}  // namespace postrider::tool
