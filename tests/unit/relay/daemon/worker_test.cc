#include "relay/daemon/worker.h"

#include <atomic>
#include <gmock/gmock.h>

#include "queue/memory_store.h"
#include "relay/base/random.h"
#include "tests/unit/relay/daemon/daemon_fixture.h"

namespace postrider::daemon {
namespace {

using ::testing::StartsWith;

// Nobody has a domain here.
class NoDomains final : public dns::Resolver {
 public:
  void resolve(std::string domain, Executor& reply_on,
               UniqueFunction<void(std::shared_ptr<const dns::Route>)> done) override {
    auto route = std::make_shared<dns::Route>();
    route->status = dns::RouteStatus::kNoDomain;
    route->detail = domain;
    reply_on.post([route = std::shared_ptr<const dns::Route>(std::move(route)),
                   done = std::move(done)]() mutable { done(route); });
  }

  void resolve_host(std::string host, Executor& reply_on,
                    UniqueFunction<void(std::shared_ptr<const dns::Route>)> done) override {
    resolve(std::move(host), reply_on, std::move(done));
  }

  void stop() override {}
};

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest() {
    queue_ = std::move(
        *queue::Queue::open({}, store_, clock_, random_, metrics_, [](std::string_view) {}));
    authenticator_ = std::make_unique<auth::Authenticator>(auth::Options{}, clock_);
    submission_.reset(new submission::Shared{submission_options_, *queue_, *authenticator_, signer_,
                                             clock_, metrics_, std::chrono::hours(24)});
    delivery_.reset(new delivery::Shared{delivery_options_, "relay.example", *queue_, resolver_,
                                         clock_, random_, metrics_, *tls::Context::client({})});
    listener_.options.mode = smtp::ListenerMode::kTrusted;
    listener_.session.mode = smtp::ListenerMode::kTrusted;
    listener_.session.host_name = "relay.example";
    worker_ = std::move(*Worker::create(*submission_, *delivery_, 0));
    dispatcher_ = std::make_unique<delivery::Dispatcher>(
        std::vector<delivery::Scheduler*>{&worker_->scheduler()});
    queue_->start(*dispatcher_);
  }

  // In the daemon's order.
  ~WorkerTest() override {
    queue_->stop_leasing();
    worker_->stop();
    worker_->join();
    authenticator_.reset();
    queue_->stop();
    worker_.reset();
  }

  // A client whose connection the worker has taken over.
  BlockingClient connect() {
    const auto listening = event::listen_on({*IpAddress::parse("127.0.0.1"), 0});
    const Endpoint endpoint = *event::local_endpoint(listening->get());
    event::Descriptor ours(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    const unsigned length = endpoint.to_sockaddr(storage);
    EXPECT_EQ(::connect(ours.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
    event::Descriptor theirs(::accept4(listening->get(), nullptr, nullptr, SOCK_CLOEXEC));
    worker_->receiver().adopt({std::move(theirs), endpoint, &listener_});
    return BlockingClient(std::move(ours));
  }

  queue::MemoryStore store_;
  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry metrics_;
  NoDomains resolver_;
  submission::Options submission_options_;
  delivery::Options delivery_options_;
  submission::Listener listener_;
  std::unique_ptr<queue::Queue> queue_;
  std::unique_ptr<auth::Authenticator> authenticator_;
  signing::Signer signer_{{}, std::make_shared<signing::Keyring>()};
  std::unique_ptr<submission::Shared> submission_;
  std::unique_ptr<delivery::Shared> delivery_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<delivery::Dispatcher> dispatcher_;
};

TEST_F(WorkerTest, ReceivesAndDelivers) {
  worker_->start();
  BlockingClient client = connect();
  EXPECT_THAT(client.reply(), StartsWith("220 relay.example"));
  EXPECT_THAT(client.say("HELO client.example"), StartsWith("250 "));
  EXPECT_THAT(client.say("MAIL FROM:<>"), StartsWith("250 "));
  EXPECT_THAT(client.say("RCPT TO:<b@to.example>"), StartsWith("250 "));
  EXPECT_THAT(client.say("DATA"), StartsWith("354 "));
  EXPECT_THAT(client.say("x\r\n."), StartsWith("250 2.0.0 "));
  // It bounced, and a null sender is not told.
  EXPECT_TRUE(wait_until([&] { return queue_->stats().messages == 0; }));
}

TEST_F(WorkerTest, IsQuietWhenItsSessionsHaveEnded) {
  worker_->start();
  std::atomic<int> quiet{0};
  {
    BlockingClient client = connect();
    EXPECT_THAT(client.reply(), StartsWith("220 "));
    worker_->shut_down([&] { ++quiet; });
    EXPECT_THAT(client.reply(), StartsWith("421 4.3.2 "));
    EXPECT_EQ(client.reply(), "");
  }
  EXPECT_TRUE(wait_until([&] { return quiet == 1; }));
}

TEST_F(WorkerTest, IsQuietAtOnceWithoutWork) {
  worker_->start();
  std::atomic<int> quiet{0};
  worker_->shut_down([&] { ++quiet; });
  EXPECT_TRUE(wait_until([&] { return quiet == 1; }));
  worker_->stop();
  worker_->join();
  EXPECT_EQ(quiet, 1);
}

TEST_F(WorkerTest, StopCutsWhatIsLeft) {
  worker_->start();
  BlockingClient client = connect();
  EXPECT_THAT(client.reply(), StartsWith("220 "));
  worker_->stop();
  EXPECT_EQ(client.reply(), "");
  worker_->join();
  EXPECT_EQ(worker_->receiver().sessions(), 0U);
}

// The queue's threads go on for a while after the worker's.
TEST_F(WorkerTest, WhatComesAfterTheEndIsGivenBack) {
  worker_->start();
  worker_->stop();
  worker_->join();
  queue::Submission submission;
  submission.id = queue_->next_id();
  submission.recipients.push_back({{"b", "to.example"}, 0, ""});
  submission.body = message::Body("x\r\n");
  submission.expires = clock_.wall() + std::chrono::hours(1);
  queue_->submit(std::move(submission), [](queue::Refusal) {});
  ASSERT_TRUE(wait_until([&] { return queue_->stats().leases == 1; }));
  BlockingClient client = connect();
  queue_->stop_leasing();
  queue_->stop();
  worker_.reset();
  EXPECT_EQ(client.reply(), "");
  EXPECT_EQ(queue_->stats().leases, 0U);
  EXPECT_EQ(queue_->stats().messages, 1U);
  worker_ = std::move(*Worker::create(*submission_, *delivery_, 0));  // for the fixture
}

TEST_F(WorkerTest, MayEndWithoutHavingStarted) {
  BlockingClient client = connect();
  worker_->stop();
  worker_->join();
  EXPECT_EQ(worker_->receiver().sessions(), 1U);
}

}  // namespace
}  // namespace postrider::daemon
