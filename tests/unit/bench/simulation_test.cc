// The load generator against the simulated internet, in one process.
#include "bench/sim/simulation.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sstream>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "bench/load/load_run.h"
#include "bench/sim/control_server.h"
#include "relay/event/loop.h"

namespace postrider::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class SimulationTest : public testing::Test {
 protected:
  SimulationTest() {
    directory_ = std::filesystem::temp_directory_path() /
                 ("postrider-sim-test-" + std::to_string(::getpid()) + "-" +
                  testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }

  ~SimulationTest() override {
    if (thread_.joinable()) {
      loop_->stop();
      thread_.join();
    }
    control_.reset();
    simulation_.reset();
    std::filesystem::remove_all(directory_);
  }

  void simulate(std::string_view rules, bool save = false, std::uint64_t threads = 1) {
    Simulation::Options options;
    options.rules = *parse_rule_text(rules, "test");
    options.threads = threads;
    if (save) options.log.save_directory = directory_ / "saved";
    auto simulation = Simulation::start(*loop_, std::move(options));
    ASSERT_TRUE(simulation) << simulation.error().text();
    simulation_ = *std::move(simulation);
    auto control =
        ControlServer::create(*loop_, {IpAddress::v4(0x7F000001), 0},
                              [this](std::string_view line) { return simulation_->control(line); });
    ASSERT_TRUE(control) << control.error().text();
    control_ = *std::move(control);
    thread_ = std::thread([this] { loop_->run(); });
  }

  LoadOptions load_to(std::string_view address) {
    LoadOptions options;
    options.to = {*IpAddress::parse(address), simulation_->mx_port()};
    options.sizes.add({2000}, 1);
    options.domains = *parse_domain_mix("a.test");
    options.run = "run";
    options.timeout = Seconds(60);
    options.messages = 100;
    options.sessions = 4;
    return options;
  }

  LoadTally run(const LoadOptions& options) {
    auto result = run_load(options);
    EXPECT_TRUE(result);
    EXPECT_FALSE(result->timed_out);
    return result->tally;
  }

  std::string file(const std::string& name) {
    std::ifstream stream(directory_ / name, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
  }

  static Result<event::Descriptor> dial(const Endpoint& to, int type) {
    event::Descriptor socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const timeval patience{10, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_storage storage{};
    const socklen_t length = to.to_sockaddr(storage);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
      return failure("connect");
    }
    return socket;
  }

  // Sends `bytes`, and waits for what comes back first.
  static std::string ask(const Endpoint& to, int type, const std::string& bytes) {
    const auto socket = dial(to, type);
    if (!socket) return "";
    ::send(socket->get(), bytes.data(), bytes.size(), 0);
    std::string answer(4096, '\0');
    const ssize_t count = ::recv(socket->get(), answer.data(), answer.size(), 0);
    answer.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return answer;
  }

  std::filesystem::path directory_;
  std::unique_ptr<event::Loop> loop_ = *event::Loop::create();
  std::unique_ptr<Simulation> simulation_;
  std::unique_ptr<ControlServer> control_;
  std::thread thread_;
};

TEST_F(SimulationTest, TakesALoad) {
  simulate("a.test mx=127.0.0.2", false, 2);
  LoadOptions options = load_to("127.0.0.2");
  options.threads = 2;
  const LoadTally tally = run(options);
  EXPECT_EQ(tally.accepted, 100U);
  EXPECT_EQ(tally.failed, 0U);
  EXPECT_EQ(tally.connections, 4U);
  EXPECT_EQ(tally.ack.count(), 100U);
  EXPECT_EQ(simulation_->statistics().messages, 100U);
  EXPECT_EQ(simulation_->statistics().distinct(), 100U);
  EXPECT_EQ(simulation_->statistics().duplicates, 0U);
  EXPECT_EQ(simulation_->statistics().bare_line_ends, 0U);
}

TEST_F(SimulationTest, TakesALoadOverTls) {
  simulate("a.test mx=127.0.0.2 tls=required", true);
  LoadOptions options = load_to("127.0.0.2");
  options.tls = TlsUse::kStartTls;
  options.messages_per_session = 10;
  options.sizes = *parse_size_mix("1k,40k");
  const LoadTally tally = run(options);
  EXPECT_EQ(tally.accepted, 100U);
  EXPECT_GE(tally.handshakes, 10U);
  EXPECT_EQ(simulation_->statistics().handshakes_full, tally.handshakes);
  EXPECT_THAT(file("saved/log.jsonl"), HasSubstr("\"tls\":\"TLSv1.3\""));
}

TEST_F(SimulationTest, SavesMessagesAsTheyWere) {
  simulate("a.test mx=127.0.0.2", true);
  LoadOptions options = load_to("127.0.0.2");
  options.messages = 1;
  options.sessions = 1;
  options.ids_file = directory_ / "ids";
  run(options);
  const std::string saved = file("saved/1-user1@a.test.eml");
  EXPECT_THAT(saved, testing::StartsWith("X-Sequence: run-1\r\n"));
  EXPECT_THAT(saved, testing::EndsWith("\r\n"));
  EXPECT_NEAR(static_cast<double>(saved.size()), 2000, 3);
  const std::string record = file("saved/log.jsonl");
  EXPECT_THAT(record, HasSubstr("\"recipients\":[\"user1@a.test\"]"));
  EXPECT_THAT(record, HasSubstr("\"sequence\":\"run-1\""));
  EXPECT_THAT(record, HasSubstr("\"size\":" + std::to_string(saved.size())));
  // The acknowledgement is read when the message has been taken.
  const std::string ids = file("ids");
  ASSERT_THAT(ids, testing::StartsWith("- run-1 "));
  const std::string taken_at = record.substr(record.find("\"at\":") + 5);
  EXPECT_GE(std::stoll(ids.substr(8)), std::stoll(taken_at));
}

TEST_F(SimulationTest, FailuresAreCountedByPhase) {
  simulate("a.test mx=127.0.0.2 dot=451 share=0.25\nb.test rcpt=550\nc.test data=452");
  LoadOptions options = load_to("127.0.0.2");
  EXPECT_THAT(run(options).failures, ElementsAre(Pair("dot 451", 25)));
  for (const bool pipelining : {true, false}) {
    options.pipelining = pipelining;
    options.domains = *parse_domain_mix("b.test");
    EXPECT_THAT(run(options).failures, ElementsAre(Pair("rcpt 550", 100)));
    options.domains = *parse_domain_mix("c.test");
    EXPECT_THAT(run(options).failures, ElementsAre(Pair("data 452", 100)));
  }
}

TEST_F(SimulationTest, LostConnectionsAreTakenUpAgain) {
  simulate(
      "a.test mx=127.0.0.2 dot=close share=0.1\nb.test mx=127.0.0.3 messages-per-connection=5");
  LoadOptions options = load_to("127.0.0.2");
  options.reconnects = 3;
  EXPECT_THAT(run(options).failures, ElementsAre(Pair("connection lost", 10)));
  options = load_to("127.0.0.3");
  options.domains = *parse_domain_mix("b.test");
  options.reconnects = 3;
  EXPECT_GE(run(options).accepted, 75U);
}

TEST_F(SimulationTest, LostRepliesMakeDuplicatesForWhoTriesAgain) {
  simulate("a.test mx=127.0.0.2 dot=losereply share=0.1");
  LoadOptions options = load_to("127.0.0.2");
  options.reconnects = 3;
  EXPECT_EQ(run(options).failed, 10U);
  EXPECT_EQ(simulation_->statistics().messages, 100U);
  run(options);  // the same sequence numbers
  EXPECT_EQ(simulation_->statistics().duplicates, 100U);
}

TEST_F(SimulationTest, NobodyThereEndsTheLoad) {
  simulate("a.test mx=127.0.0.2");
  LoadOptions options = load_to("127.0.0.99");
  options.reconnects = 1;
  const LoadTally tally = run(options);
  EXPECT_EQ(tally.accepted, 0U);
  EXPECT_EQ(tally.connection_failures, 8U);
}

TEST_F(SimulationTest, ASilentServerEndsWithTheTime) {
  simulate("a.test mx=127.0.0.2 dot=hang");
  LoadOptions options = load_to("127.0.0.2");
  options.timeout = Milliseconds(300);
  const auto result = run_load(options);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->timed_out);
  EXPECT_THAT(result->tally.failures, ElementsAre(Pair("timeout", 4)));
}

TEST_F(SimulationTest, AnOpenLoopKeepsItsRate) {
  simulate("a.test mx=127.0.0.2");
  LoadOptions options = load_to("127.0.0.2");
  options.messages = 0;
  options.duration = Milliseconds(500);
  options.rate = 200;
  const LoadTally tally = run(options);
  EXPECT_EQ(tally.accepted + tally.behind, 100U);
  EXPECT_GE(tally.accepted, 1U);
}

TEST_F(SimulationTest, BrokenTlsIsNoticed) {
  simulate("a.test mx=127.0.0.2 tls=broken");
  LoadOptions options = load_to("127.0.0.2");
  options.tls = TlsUse::kStartTls;
  const LoadTally tally = run(options);
  EXPECT_EQ(tally.accepted, 0U);
  EXPECT_EQ(tally.connection_failures, 4U);
}

TEST_F(SimulationTest, DelaysAreLatency) {
  simulate("a.test mx=127.0.0.2 delay=30ms");
  LoadOptions options = load_to("127.0.0.2");
  options.messages = 4;
  EXPECT_GE(run(options).whole.quantile(0.01), 60'000U);
}

TEST_F(SimulationTest, AnswersDnsOverBothTransports) {
  simulate("a.test mx=127.0.0.2");
  const std::string query(
      "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01"
      "a\x04test\x00\x00\x0F\x00\x01",
      12 + 8 + 4);
  const std::string udp = ask(simulation_->dns(), SOCK_DGRAM, query);
  EXPECT_THAT(udp, HasSubstr("\x03mx1"));
  const std::string length{'\0', static_cast<char>(query.size())};
  const std::string tcp = ask(simulation_->dns(), SOCK_STREAM, length + query);
  EXPECT_EQ(tcp.substr(2), udp);
}

TEST_F(SimulationTest, IsControlledWhileItRuns) {
  simulate("a.test mx=127.0.0.2");
  EXPECT_EQ(ask(control_->endpoint(), SOCK_STREAM, "set a.test dot=554_no\n"), "ok\n");
  EXPECT_THAT(run(load_to("127.0.0.2")).failures, ElementsAre(Pair("dot 554", 100)));
  EXPECT_THAT(ask(control_->endpoint(), SOCK_STREAM, "stats\r\n"), HasSubstr("\"faults\":100"));
  EXPECT_EQ(ask(control_->endpoint(), SOCK_STREAM, "reset\n"), "ok\n");
  EXPECT_EQ(run(load_to("127.0.0.2")).accepted, 100U);
  EXPECT_THAT(ask(control_->endpoint(), SOCK_STREAM, "set b.test x=y\n"), HasSubstr("error"));
  EXPECT_THAT(ask(control_->endpoint(), SOCK_STREAM, "nonsense\n"), HasSubstr("error unknown"));
}

TEST_F(SimulationTest, FloodsEndWithTheConnection) {
  simulate("a.test mx=127.0.0.2 greeting=endless");
  {
    const auto socket = dial({*IpAddress::parse("127.0.0.2"), simulation_->mx_port()}, SOCK_STREAM);
    ASSERT_TRUE(socket);
    std::size_t seen = 0;
    std::string buffer(65536, '\0');
    while (seen < 200'000) {
      const ssize_t count = ::recv(socket->get(), buffer.data(), buffer.size(), 0);
      ASSERT_GT(count, 0);
      seen += static_cast<std::size_t>(count);
    }
  }
  const TimePoint patience = std::chrono::steady_clock::now() + Seconds(20);
  while (simulation_->statistics().open_connections > 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), patience);
    std::this_thread::yield();
  }
}

TEST_F(SimulationTest, ManyAddressesShareOnePort) {
  std::string rules;
  for (int i = 1; i <= 200; ++i) {
    rules += "d" + std::to_string(i) + ".test mx=127.0.1." + std::to_string(i) + "\n";
  }
  simulate(rules, false, 2);
  for (const int i : {1, 100, 200}) {
    LoadOptions options = load_to("127.0.1." + std::to_string(i));
    options.domains = *parse_domain_mix("d" + std::to_string(i) + ".test");
    options.messages = 5;
    EXPECT_EQ(run(options).accepted, 5U);
  }
}

TEST_F(SimulationTest, APortInUseIsAnError) {
  simulate("a.test mx=127.0.0.2");
  Simulation::Options options;
  options.rules = *parse_rule_text("b.test mx=127.0.0.2", "test");
  options.mx_port = simulation_->mx_port();
  const auto other = event::Loop::create();
  const auto second = Simulation::start(**other, std::move(options));
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().text(), HasSubstr("MX hosts: listening on 127.0.0.2"));
}

}  // namespace
}  // namespace postrider::bench
