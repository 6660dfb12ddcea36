#include "relay/tool/queue_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/admin/server.h"
#include "tests/unit/relay/admin/filled_queue.h"
#include "tests/unit/relay/tool/tool_run.h"

namespace postrider::tool {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

// A queue with an admin server, and the command line that asks it.
class QueueCommandTest : public testing::Test {
 protected:
  QueueCommandTest() { start(""); }

  ~QueueCommandTest() override { ::unsetenv("POSTRIDER_ADMIN_TOKEN"); }

  void start(const std::string& token) {
    server_.reset();
    admin::Options options;
    options.address.port = 0;
    options.token = token;
    server_ = *admin::Server::start(options, *filled_.queue, filled_.metrics, filled_.clock);
  }

  [[nodiscard]] std::string address() const { return server_->endpoint().to_string(); }

  Said queue(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "queue");
    arguments.insert(arguments.end(), {"--admin", address()});
    return run_tool(arguments);
  }

  std::string add_deferred(const std::string& domain) {
    const std::string id = filled_.add("a@s.example", {{"b", domain}});
    EXPECT_TRUE(filled_.defer(1, {451, {4, 7, 1}, "try later"}));
    return id;
  }

  admin::FilledQueue filled_;
  std::unique_ptr<admin::Server> server_;
  Folder folder_;
};

TEST_F(QueueCommandTest, ListsQueues) {
  EXPECT_EQ(queue({"list"}).out, "the queue is empty\n");
  add_deferred("one.example");
  const Said said = queue({"list"});
  EXPECT_EQ(said.code, kDone);
  EXPECT_EQ(said.out,
            "1 message (1000 B), 1 delivery to go in 1 queue; 0 in progress\n"
            "\n"
            "DOMAIN       DELIVERIES    SIZE  NEXT ATTEMPT\n"
            "one.example           1  1000 B  in 1h\n");
}

TEST_F(QueueCommandTest, ListsMessages) {
  const std::string id = add_deferred("one.example");
  const std::string other = add_deferred("two.example");
  const Said said = queue({"list", "--messages"});
  EXPECT_THAT(said.out, HasSubstr(id));
  EXPECT_THAT(said.out, HasSubstr(other));
  EXPECT_THAT(said.out, HasSubstr("451 4.7.1 try later\n"));
  const Said one = queue({"list", "--domain", "one.example"});
  EXPECT_THAT(one.out, HasSubstr(id));
  EXPECT_THAT(one.out, testing::Not(HasSubstr(other)));
  EXPECT_THAT(queue({"list", "-m", "--limit", "1"}).out, HasSubstr("... and perhaps more"));
}

TEST_F(QueueCommandTest, ShowsOneMessage) {
  const std::string id = add_deferred("one.example");
  const Said said = queue({"show", id});
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.out, StartsWith("message " + id + "\n  from     a@s.example, by user app\n"));
  EXPECT_THAT(said.out, HasSubstr("one.example: 1 attempt so far, next in 1h\n"));
}

TEST_F(QueueCommandTest, PrintsJsonAsItCame) {
  add_deferred("one.example");
  EXPECT_THAT(queue({"list", "--json"}).out, StartsWith("{\"now\":\""));
  EXPECT_EQ(queue({"retry", "--all", "--json"}).out, "{\"messages\":1}\n");
}

TEST_F(QueueCommandTest, RemovesAndRetries) {
  const std::string id = add_deferred("one.example");
  EXPECT_EQ(queue({"retry", id}).out, "1 message due now\n");
  EXPECT_TRUE(filled_.defer(1, {451, {}, "later"}));
  add_deferred("two.example");
  add_deferred("two.example");
  const TypedInput nobody("");
  EXPECT_EQ(queue({"remove", "--domain", "two.example"}).out, "2 messages removed\n");
  EXPECT_EQ(queue({"remove", id, "--yes"}).out, "1 message removed\n");
  EXPECT_EQ(filled_.queue->stats().messages, 0U);
}

TEST_F(QueueCommandTest, RemovesAllOnlyWhenSomebodySaidSo) {
  add_deferred("one.example");
  const TypedInput input("y\n");  // no terminal: nobody is there who could have read the question
  const Said said = queue({"remove", "--all"});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_THAT(said.err, HasSubstr("say --yes as well"));
  EXPECT_EQ(filled_.queue->stats().messages, 1U);
  EXPECT_EQ(queue({"remove", "--all", "--yes"}).code, kDone);
  EXPECT_EQ(filled_.queue->stats().messages, 0U);
}

TEST_F(QueueCommandTest, HoldsReleasesSuspendsAndResumes) {
  const std::string id = add_deferred("one.example");
  EXPECT_EQ(queue({"hold", "--sender", "a@s.example"}).out, "1 message held\n");
  EXPECT_THAT(queue({"show", id}).out, HasSubstr("next held\n"));
  EXPECT_EQ(queue({"retry", id}).code, kFailed);
  EXPECT_EQ(queue({"hold", "--older-than", "1h"}).out, "0 messages held\n");
  EXPECT_EQ(queue({"suspend", "--domain", "one.example", "--reason", "they asked"}).out,
            "mail to one.example is suspended\n");
  EXPECT_EQ(queue({"release", id}).out, "1 message released\n");
  EXPECT_THAT(queue({"list"}).out, HasSubstr("suspended: domain one.example (they asked)\n"));
  EXPECT_EQ(queue({"resume", "--domain", "one.example"}).out, "mail to one.example is resumed\n");
  EXPECT_EQ(queue({"resume", "--domain", "one.example"}).code, kFailed);
  EXPECT_EQ(queue({"hold", "--older-than", "soon"}).code, kUsage);
  EXPECT_EQ(queue({"hold"}).code, kUsage);
  EXPECT_EQ(queue({"suspend"}).code, kUsage);
  EXPECT_EQ(queue({"suspend", "--all", "--tenant", "t"}).code, kUsage);
  EXPECT_EQ(queue({"suspend", "--tenant", "t", "--for", "soon"}).code, kUsage);
  EXPECT_EQ(queue({"suspend", "--tenant", "t", "--campaign", "c", "--for", "2h"}).out,
            "mail of tenant t of campaign c is suspended\n");
  EXPECT_THAT(queue({"list"}).out, HasSubstr("suspended: tenant t campaign c, ends in "));
  EXPECT_EQ(queue({"resume", "--tenant", "t"}).code, kFailed);
  EXPECT_EQ(queue({"suspend", "--all"}).out, "everything is suspended\n");
  EXPECT_THAT(queue({"list"}).out, HasSubstr("suspended: everything\n"));
  EXPECT_EQ(queue({"resume", "--all"}).code, kDone);
}

TEST_F(QueueCommandTest, SomebodyAtATerminalIsAsked) {
  add_deferred("one.example");
  {
    const TypedTerminal terminal("n\n");
    const Said said = queue({"remove", "--all"});
    EXPECT_EQ(said.code, kFailed);
    EXPECT_THAT(said.err,
                HasSubstr("Remove EVERY message in the queue? Nobody will be told. [y/N]"));
    EXPECT_THAT(said.err, HasSubstr("nothing was removed"));
  }
  EXPECT_EQ(filled_.queue->stats().messages, 1U);
  const TypedTerminal terminal("y\n");
  EXPECT_EQ(queue({"remove", "--domain", "one.example"}).out, "1 message removed\n");
}

TEST_F(QueueCommandTest, TellsWhatTheRelayRefused) {
  const Said said = queue({"show", "01KAMV8R2T7Z5W3N9Q4X6Y1B0C"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_EQ(said.err, "postrider: no message 01KAMV8R2T7Z5W3N9Q4X6Y1B0C is in the queue\n");
}

TEST_F(QueueCommandTest, TheTokenComesFromTheEnvironment) {
  start("0123456789abcdef");
  const Said refused = queue({"list"});
  EXPECT_EQ(refused.code, kFailed);
  EXPECT_THAT(refused.err, HasSubstr("set POSTRIDER_ADMIN_TOKEN"));
  ::setenv("POSTRIDER_ADMIN_TOKEN", "0123456789abcdef", 1);
  EXPECT_EQ(queue({"list"}).code, kDone);
}

TEST_F(QueueCommandTest, AddressAndTokenComeFromTheFile) {
  start("0123456789abcdef");
  const std::string file = folder_.write_config("[admin]\naddress = \"" + address() +
                                                "\"\ntoken = \"0123456789abcdef\"\n");
  EXPECT_EQ(run_tool({"queue", "list", "--config", file}).code, kDone);
}

TEST_F(QueueCommandTest, AMistakeElsewhereInTheFileDoesNotMatter) {
  const std::string file =
      folder_.write_config("[admin]\naddress = \"" + address() + "\"\n[delivery]\nprt = 1\n");
  EXPECT_EQ(run_tool({"queue", "list", "--config", file}).code, kDone);
}

TEST_F(QueueCommandTest, ARelayThatCannotBeReached) {
  const std::string gone = address();
  server_.reset();
  const Said said = run_tool({"queue", "list", "--admin", gone});
  EXPECT_EQ(said.code, kUnreachable);
  EXPECT_THAT(said.err, StartsWith("postrider: nothing answers on " + gone));
  EXPECT_THAT(said.err, HasSubstr("--admin ADDR:PORT"));
}

TEST_F(QueueCommandTest, AdminThatIsOffCannotBeAsked) {
  const std::string file = folder_.write_config("[admin]\nenabled = false\n");
  const Said said = run_tool({"queue", "list", "--config", file});
  EXPECT_EQ(said.code, kUnreachable);
  EXPECT_THAT(said.err, HasSubstr("admin.enabled = false"));
}

TEST_F(QueueCommandTest, AFileThatCannotBeRead) {
  const Said said = run_tool({"queue", "list", "--config", folder_.path("none.toml")});
  EXPECT_EQ(said.code, kBadConfig);
  EXPECT_THAT(said.err, HasSubstr("--admin ADDR:PORT"));
}

}  // namespace
}  // namespace postrider::tool
