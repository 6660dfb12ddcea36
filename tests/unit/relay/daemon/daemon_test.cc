#include "relay/daemon/daemon.h"

#include <csignal>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <optional>
#include <poll.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/memory_store.h"
#include "relay/base/random.h"
#include "relay/daemon/privileges.h"
#include "tests/unit/relay/daemon/daemon_fixture.h"

namespace postrider::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// serve() in a process of its own, and what it logs.
class Process {
 public:
  explicit Process(const config::Config& config, OpenStore open_store = queue::open_rocks_store) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(ends[1], STDERR_FILENO);
      ::_exit(serve(config, std::move(open_store)));
    }
    ::close(ends[1]);
    log_ = event::Descriptor(ends[0]);
  }

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  ~Process() {
    if (child_ < 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  // Until `text` stands in the log; false if it ends, or takes too long, before.
  bool wait_for(std::string_view text) {
    while (said_.find(text) == std::string::npos) {
      if (!read_more()) return false;
    }
    return true;
  }

  void signal(int number) const { ::kill(child_, number); }

  // Waits for its end.
  int exit_code() {
    while (read_more()) {
    }
    int status = -1;
    EXPECT_EQ(::waitpid(std::exchange(child_, -1), &status, 0) > 0, true);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  [[nodiscard]] const std::string& said() const { return said_; }

  // What stands behind `field` in the first line that holds `text`.
  [[nodiscard]] std::string field(std::string_view text, const std::string& field) const {
    std::istringstream lines(said_);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t at = line.find(field);
      if (line.find(text) == std::string::npos || at == std::string::npos) continue;
      const std::size_t begin = at + field.size();
      return line.substr(begin, line.find(' ', begin) - begin);
    }
    return "";
  }

 private:
  bool read_more() {
    pollfd ready{log_.get(), POLLIN, 0};
    const int patience = static_cast<int>(Milliseconds(kPatience).count());
    if (::poll(&ready, 1, patience) <= 0) return false;
    char buffer[4096];
    const ssize_t count = ::read(log_.get(), buffer, sizeof buffer);
    if (count <= 0) return false;
    said_.append(buffer, static_cast<std::size_t>(count));
    return true;
  }

  pid_t child_ = -1;
  event::Descriptor log_;
  std::string said_;
};

class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest() {
    if (running_as_root()) config_.server.user = "nobody";
    config_.server.host_name = "relay.example";
    config_.server.data_dir = directory_.path("data");
    config_.server.workers = 2;
    config_.store.directory = config_.server.data_dir + "/queue";
    config_.journal.file = config_.server.data_dir + "/journal.jsonl";
    config_.admin.enabled = false;
    // Nobody answers there.
    config_.dns.servers = {{*IpAddress::parse("127.0.0.1"), 1}};
    config_.submission.admission.trusted_networks = {*Network::parse("127.0.0.0/8")};
    submission::ListenerOptions listener;
    listener.address = {*IpAddress::parse("127.0.0.1"), 0};
    listener.mode = smtp::ListenerMode::kTrusted;
    config_.submission.listeners = {listener};
  }

  // A client of the relay that says where it listens.
  static BlockingClient client_of(const Process& relay) {
    const auto endpoint = Endpoint::parse(relay.field("submission: listening", "address="));
    EXPECT_TRUE(endpoint) << relay.said();
    event::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    const unsigned length = endpoint->to_sockaddr(storage);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
    return BlockingClient(std::move(socket));
  }

  [[nodiscard]] std::string journal() const {
    std::ifstream file(config_.journal.file);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // The whole run fails at the start; the log.
  std::string failed_start() {
    Process relay(config_);
    const bool started = relay.wait_for("server: ready");
    EXPECT_FALSE(started);
    if (started) return relay.said();  // to wait for its end would be to wait for ever
    EXPECT_EQ(relay.exit_code(), 1);
    EXPECT_THAT(relay.said(), HasSubstr("cannot start"));
    return relay.said();
  }

  TempDirectory directory_;
  config::Config config_;
};

TEST_F(DaemonTest, KeepsMailOverARestart) {
  {
    Process relay(config_);
    ASSERT_TRUE(relay.wait_for("server: ready")) << relay.said();
    BlockingClient client = client_of(relay);
    EXPECT_THAT(client.reply(), StartsWith("220 relay.example"));
    client.say("HELO client.example");
    client.say("MAIL FROM:<a@from.example>");
    client.say("RCPT TO:<b@to.example>");
    client.say("DATA");
    EXPECT_THAT(client.say("x\r\n."), StartsWith("250 2.0.0 Ok: queued as "));
    EXPECT_THAT(client.say("QUIT"), StartsWith("221 "));
    relay.signal(SIGTERM);
    EXPECT_EQ(relay.exit_code(), 0);
    EXPECT_THAT(relay.said(), HasSubstr("stopped"));
  }
  EXPECT_THAT(journal(), HasSubstr(R"("event":"accepted")"));
  Process again(config_);
  ASSERT_TRUE(again.wait_for("server: ready"));
  EXPECT_EQ(again.field("queue: opened", "messages="), "1");
  again.signal(SIGINT);
  EXPECT_EQ(again.exit_code(), 0);
}

// What an earlier process left whose clock was a century ahead: a message to be tried again a
// minute later.
Result<std::unique_ptr<queue::Store>> open_store_of_the_future(const queue::RocksOptions&) {
  class ClockAhead final : public Clock {
   public:
    [[nodiscard]] TimePoint now() const override { return clock_.now(); }

    [[nodiscard]] WallTime wall() const override { return clock_.wall() + std::chrono::years(100); }

   private:
    SystemClock clock_;
  };

  class Taker final : public queue::Consumer {
   public:
    void deliver(std::vector<queue::Lease> fresh) override { lease = std::move(fresh.front()); }

    queue::Lease lease;
  };

  auto store = std::make_unique<queue::MemoryStore>();
  const ClockAhead clock;
  SystemRandom random;
  metrics::Registry metrics;
  auto queue = *queue::Queue::open({}, *store, clock, random, metrics, {});
  Taker taker;
  const auto settle = [&queue] {
    while (queue->step()) {
    }
  };
  queue->start_stepped(taker);
  queue::Submission submission;
  submission.id = queue->next_id();
  submission.recipients = {{{"b", "to.example"}, 0, ""}};
  submission.expires = clock.wall() + std::chrono::hours(1);
  queue->submit(std::move(submission), [](queue::Refusal) {});
  settle();
  queue::Completion later;
  later.fates = {queue::Fate::kDeferred};
  later.next_attempt = clock.wall() + std::chrono::minutes(1);
  queue->finish(std::move(taker.lease), std::move(later));
  settle();
  queue->stop();
  queue.reset();
  return std::unique_ptr<queue::Store>(std::move(store));
}

TEST_F(DaemonTest, WhatAClockAheadHasPutOffIsTried) {
  Process relay(config_, open_store_of_the_future);
  ASSERT_TRUE(relay.wait_for("queue: due times were mended")) << relay.said();
  EXPECT_EQ(relay.field("queue: opened", "messages="), "1");
  EXPECT_EQ(relay.field("queue: due times were mended", "messages="), "1");
}

TEST_F(DaemonTest, TellsItsClientsWhenItStops) {
  Process relay(config_);
  ASSERT_TRUE(relay.wait_for("server: ready"));
  BlockingClient client = client_of(relay);
  client.reply();
  relay.signal(SIGTERM);
  EXPECT_THAT(client.reply(), StartsWith("421 4.3.2 "));
  EXPECT_EQ(client.reply(), "");
}

TEST_F(DaemonTest, ReopensTheJournalWhenTold) {
  Process relay(config_);
  ASSERT_TRUE(relay.wait_for("server: ready"));
  std::filesystem::rename(config_.journal.file, config_.journal.file + ".old");
  relay.signal(SIGHUP);
  ASSERT_TRUE(relay.wait_for("reopened"));
  EXPECT_TRUE(std::filesystem::exists(config_.journal.file));
}

TEST_F(DaemonTest, DoesNotStartOnAPortThatIsTaken) {
  const auto taken = event::listen_on({*IpAddress::parse("127.0.0.1"), 0});
  config_.submission.listeners[0].address = *event::local_endpoint(taken->get());
  EXPECT_THAT(failed_start(), HasSubstr("Address already in use"));
}

TEST_F(DaemonTest, DoesNotStartWithABadCertificate) {
  config_.submission.listeners[0].certificate = directory_.write("cert.pem", "no PEM");
  config_.submission.listeners[0].key = directory_.write("key.pem", "no PEM");
  EXPECT_THAT(failed_start(), HasSubstr(directory_.path("cert.pem")));
}

TEST_F(DaemonTest, DoesNotStartASecondTime) {
  Process first(config_);
  ASSERT_TRUE(first.wait_for("server: ready"));
  std::filesystem::remove(config_.journal.file);
  EXPECT_THAT(failed_start(), HasSubstr(config_.store.directory));
  EXPECT_FALSE(std::filesystem::exists(config_.journal.file));  // the first one's alone
  first.signal(SIGTERM);
  EXPECT_EQ(first.exit_code(), 0);
}

TEST_F(DaemonTest, DoesNotStartWithoutItsJournal) {
  config_.journal.file = directory_.path("missing/journal.jsonl");
  EXPECT_THAT(failed_start(), HasSubstr(config_.journal.file));
}

// The queue and the workers run by then: all of it is taken down again.
TEST_F(DaemonTest, DoesNotStartWithoutItsAdminPort) {
  const auto taken = event::listen_on({*IpAddress::parse("127.0.0.1"), 0});
  config_.admin.enabled = true;
  config_.admin.address = *event::local_endpoint(taken->get());
  EXPECT_THAT(failed_start(), HasSubstr(config_.admin.address.to_string()));
}

TEST_F(DaemonTest, DoesNotRunAsRoot) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  config_.server.user = "";
  EXPECT_THAT(failed_start(), HasSubstr("server.user"));
}

}  // namespace
}  // namespace postrider::daemon
