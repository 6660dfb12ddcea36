#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "relay/config/reference.h"
#include "tests/unit/relay/config/load_text.h"

namespace postrider::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

TEST(Loader, TheSmallestGoodFile) {
  const LoadResult loaded = load(kRest);
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.server.host_name, "relay.example.com");
  EXPECT_EQ(loaded.config.submission.session.host_name, "relay.example.com");
  EXPECT_EQ(loaded.config.store.directory, "/var/lib/postrider/queue");
  ASSERT_THAT(loaded.config.submission.listeners, SizeIs(1));
  EXPECT_EQ(loaded.config.submission.listeners[0].address.to_string(), "127.0.0.1:587");
  EXPECT_EQ(loaded.config.submission.listeners[0].mode, smtp::ListenerMode::kSubmission);
}

TEST(Loader, EverySectionSetsItsModule) {
  const LoadResult loaded = load(R"(
[server]
host_name = "r.example"
data_dir = "/data"
user = "mail"
workers = 3
log_level = "debug"
allow_plain_passwords = true
[[listener]]
address = "[::1]:465"
mode = "submissions"
certificate = "/own.pem"
key = "/own.key"
[[listener]]
address = "127.0.0.1:2525"
mode = "trusted"
[submission]
trusted_networks = ["127.0.0.0/8"]
message_size_max = "1MB"
idle_timeout = "30s"
[auth]
threads = 2
[[user]]
name = "app"
password = "secret"
[delivery]
port = 2526
source_ipv4 = "127.0.0.1"
tls = "encrypt"
allow_special_addresses = true
end_of_data_timeout = "1m"
[retry]
first_interval = "1s"
growth = 3
[dns]
servers = ["127.0.0.1:5353"]
[queue]
messages_max = 5
memtable_size = "1MiB"
[journal]
file = "/j/journal"
keep = 2
[admin]
address = "127.0.0.1:0"
token = "0123456789abcdef"
)");
  ASSERT_THAT(loaded.problems, IsEmpty());
  const Config& config = loaded.config;
  EXPECT_EQ(config.server.user, "mail");
  EXPECT_EQ(config.server.workers, 3U);
  EXPECT_EQ(config.server.log_level, log::Level::kDebug);
  EXPECT_EQ(config.store.directory, "/data/queue");
  ASSERT_THAT(config.submission.listeners, SizeIs(2));
  EXPECT_EQ(config.submission.listeners[0].key, "/own.key");
  EXPECT_EQ(config.submission.listeners[1].mode, smtp::ListenerMode::kTrusted);
  EXPECT_EQ(config.submission.session.message_size_max, 1'000'000U);
  EXPECT_EQ(config.submission.session.idle_timeout, Seconds(30));
  ASSERT_THAT(config.submission.admission.trusted_networks, SizeIs(1));
  EXPECT_EQ(config.auth.threads, 2U);
  ASSERT_THAT(config.auth.users, SizeIs(1));
  EXPECT_EQ(config.auth.users[0].plain_password, "secret");
  EXPECT_EQ(config.delivery.port, 2526);
  EXPECT_EQ(config.delivery.source_ipv4->to_string(), "127.0.0.1");
  EXPECT_EQ(config.delivery.tls, policy::TlsLevel::kEncrypt);
  EXPECT_TRUE(config.delivery.allow_special_addresses);
  EXPECT_EQ(config.delivery.timeouts.end_of_data, Seconds(60));
  EXPECT_EQ(config.delivery.retry.first_interval, Seconds(1));
  EXPECT_EQ(config.delivery.retry.growth, 3.0);
  EXPECT_EQ(config.dns.servers[0].port, 5353);
  EXPECT_EQ(config.queue.messages_max, 5U);
  EXPECT_EQ(config.store.memtable_size, 1U << 20);
  EXPECT_EQ(config.journal.file, "/j/journal");
  EXPECT_EQ(config.admin.token, "0123456789abcdef");
}

struct BadCase {
  const char* text;  // stands before kRest
  const char* problem;
};

class LoaderRefuses : public testing::TestWithParam<BadCase> {};

TEST_P(LoaderRefuses, WithLineKeyAndReason) {
  EXPECT_THAT(problems_of(GetParam().text + std::string(kRest)), ElementsAre(GetParam().problem));
}

INSTANTIATE_TEST_SUITE_P(
    Keys, LoaderRefuses,
    testing::Values(
        BadCase{"[delivery]\nprt = 25", "2: delivery.prt: unknown key; did you mean 'port'?"},
        BadCase{"[delivery]\nhost_name = \"x\"",
                "2: delivery.host_name: unknown key; did you mean 'server.host_name'?"},
        BadCase{"[delivery]\nqqqqqqqq = 1", "2: delivery.qqqqqqqq: unknown key"},
        BadCase{"[delivry]\nport = 25", "1: delivry: unknown section; did you mean '[delivery]'?"},
        BadCase{"port = 25", "1: port: unknown key; did you mean 'delivery.port'?"},
        BadCase{"[delivery.port]\nx = 1", "1: delivery.port: expected a whole number, got a table"},
        BadCase{"delivery = 5", "1: delivery: a section is written [delivery], once"},
        BadCase{"[[delivery]]\nport = 25", "1: delivery: a section is written [delivery], once"},
        BadCase{"[user]\nname = \"x\"", "1: user: an entry of this section is written [[user]]"},
        BadCase{"user = [1, 2]", "1: user: an entry of this section is written [[user]]"},
        BadCase{"[delivery]\n\"\\u001b[31m\" = 1", "2: delivery.\\x1b[31m: unknown key"}));

INSTANTIATE_TEST_SUITE_P(
    Values, LoaderRefuses,
    testing::Values(
        BadCase{"[delivery]\n\nport = 0", "3: delivery.port: 0 is out of range: 1 to 65535"},
        BadCase{"[delivery]\nport = \"25\"",
                "2: delivery.port: expected a whole number, got a text"},
        BadCase{"[delivery]\nconnect_timeout = 30",
                "2: delivery.connect_timeout: expected a duration like \"30s\", got a number "
                "without unit"},
        BadCase{"[delivery]\ntls = \"on\"",
                "2: delivery.tls: 'on' is none of \"none\", \"may\", \"encrypt\", \"verify\""},
        BadCase{"[dns]\nservers = [\"127.0.0.1:53\", 53]",
                "2: dns.servers: expected a list of texts like [\"...\", \"...\"], got a list with "
                "something that is no text"},
        BadCase{"[journal]\nfile = 2026-11-21",
                "2: journal.file: expected a text in quotes, got a date or time"},
        BadCase{"[journal]\nfile = \"j.log\"",
                "2: journal.file: 'j.log' is not an absolute path"}));

TEST(Loader, TellsOfAllProblemsInTheOrderOfLines) {
  EXPECT_THAT(
      problems_of(std::string("[retry]\ngrowth = 0\nfirst = \"1s\"\n"
                              "[delivery]\nport = 99999\nipv6 = true\n") +
                  kRest),
      ElementsAre("2: retry.growth: 0 is out of range: 1 to 10", "3: retry.first: unknown key",
                  "5: delivery.port: 99999 is out of range: 1 to 65535",
                  "6: delivery.ipv6: unknown key; did you mean 'dns.ipv6'?"));
}

TEST(Loader, TellsWhereTheSyntaxIsWrong) {
  EXPECT_THAT(problems_of("[server]\nhost_name = relay"), ElementsAre(StartsWith("2: not TOML: ")));
  EXPECT_THAT(problems_of("[server\n"), ElementsAre(StartsWith("1: not TOML: ")));
  EXPECT_THAT(problems_of("[dns]\nipv6 = true\nipv6 = false\n"),
              ElementsAre(StartsWith("3: not TOML: ")));
  EXPECT_THAT(problems_of("[dns]\n[queue]\n[dns]\n"), ElementsAre(StartsWith("3: not TOML: ")));
  EXPECT_THAT(problems_of("x = \"\xff\xfe\"\n"), ElementsAre(StartsWith("1: not TOML: ")));
}

TEST(Loader, BoundsItsInput) {
  EXPECT_THAT(problems_of(std::string((4U << 20) + 1, '\n')),
              ElementsAre("file: larger than 4 MiB"));
  std::string many = "[[listener]]\n";
  for (int i = 0; i < 64; ++i) many += "[[listener]]\n";
  EXPECT_THAT(problems_of(many),
              testing::Contains("1: listener: 65 entries are too many: at most 64"));
  std::string unknown = "[dns]\n";
  for (int i = 0; i < 300; ++i) unknown += "zz" + std::to_string(i) + " = 1\n";
  EXPECT_THAT(problems_of(unknown + kRest), SizeIs(101));
}

TEST(Loader, SurvivesDeepNesting) {
  const std::string deep = "x = " + std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_THAT(problems_of(deep), ElementsAre(StartsWith("1: not TOML: ")));
}

TEST(Loader, SurvivesDeepKeys) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "a.";
  const std::string problem = "2: a key of more than 17 parts";
  EXPECT_THAT(problems_of("\n[" + deep + "a]\n"), ElementsAre(problem));
  EXPECT_THAT(problems_of("\n[[" + deep + "a]]\n"), ElementsAre(problem));
  EXPECT_THAT(problems_of("\n" + deep + "a = 1\n"), ElementsAre(problem));
  EXPECT_THAT(problems_of("[[user]]\nname." + deep + "a = 1\n"), ElementsAre(problem));
}

// The deepest that passes: values as deep as the library allows, each with the longest key.
TEST(Loader, SurvivesDeepKeysInDeepNesting) {
  std::string deep;
  for (int i = 0; i < 250; ++i) deep += "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = {";
  EXPECT_THAT(problems_of(deep + std::string(250, '}') + kRest),
              ElementsAre("1: a: unknown section"));
}

TEST(Loader, RemembersWhichLineSetWhat) {
  const Lines lines = load(std::string("[dns]\nipv6 = false\n") + kRest).lines;
  EXPECT_EQ(lines.at("dns.ipv6"), 2U);
  EXPECT_EQ(lines.at("listener[0]"), 9U);
  EXPECT_EQ(lines.at("listener[0].address"), 10U);
  EXPECT_FALSE(lines.contains("dns.servers"));
}

class LoadFile : public testing::Test {
 protected:
  LoadFile() {
    std::string name = testing::TempDir() + "loader_XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }

  ~LoadFile() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

TEST_F(LoadFile, NamesTheFileInProblems) {
  const auto path = directory_ / "relay.toml";
  std::ofstream(path) << "[dns]\nipv5 = true\n" << kRest;
  const LoadResult loaded = load_file(path);
  ASSERT_THAT(loaded.problems, SizeIs(1));
  EXPECT_EQ(loaded.problems[0].where, path.string() + ":2");
}

TEST_F(LoadFile, SaysWhyAFileCannotBeRead) {
  const auto missing = load_file(directory_ / "none.toml");
  EXPECT_THAT(missing.problems,
              ElementsAre(Problem{directory_ / "none.toml",
                                  "cannot open the file: No such file or directory"}));
  const auto folder = load_file(directory_);
  EXPECT_THAT(folder.problems,
              ElementsAre(Problem{directory_, "cannot read the file: Is a directory"}));
}

}  // namespace
}  // namespace postrider::config
