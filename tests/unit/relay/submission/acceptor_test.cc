#include "relay/submission/acceptor.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "tests/unit/relay/submission/submission_fixture.h"

namespace postrider::submission {
namespace {

using metrics::Metric;
using ::testing::StartsWith;

class AcceptorTest : public SubmissionTest {
 protected:
  ~AcceptorTest() override {
    acceptor_.reset();
    stop();
  }

  void serve() {
    if (!queue_) open();
    if (receivers_.empty()) receivers_ = {receiver_.get()};
    acceptor_ = std::make_unique<Acceptor>(*loop_, *shared_, receivers_);
    auto listening = event::listen_on(event::any_port());
    endpoint_ = *event::local_endpoint(listening->get());
    ASSERT_TRUE(acceptor_->serve(std::move(*listening), listener_));
  }

  std::unique_ptr<Client> come() { return client_on(event::raw_connect(endpoint_)); }

  std::vector<Receiver*> receivers_;
  std::unique_ptr<Acceptor> acceptor_;
  Endpoint endpoint_;
};

TEST_F(AcceptorTest, HandsConnectionsToAReceiver) {
  serve();
  auto client = come();
  EXPECT_EQ(reply(*client), "220 relay.example ESMTP postrider\r\n");
  EXPECT_EQ(listener_.accepted.value(), 1U);
  EXPECT_EQ(shared_->gate.open(), 1U);
}

TEST_F(AcceptorTest, SpreadsThemEvenly) {
  open();
  Receiver second(*loop_, *shared_);
  receivers_ = {receiver_.get(), &second};
  serve();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(come());
    reply(*clients.back());
  }
  EXPECT_EQ(receiver_->sessions(), 3U);
  EXPECT_EQ(second.sessions(), 3U);
  acceptor_.reset();
}

TEST_F(AcceptorTest, RefusesStrangersOnATrustedListener) {
  options_.admission.trusted_networks = {*Network::parse("192.0.2.0/24")};
  serve();
  auto client = come();
  EXPECT_THAT(reply(*client), StartsWith("554 "));
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  EXPECT_EQ(counted(Metric::kConnectionsRefused, "untrusted"), 1U);
  EXPECT_EQ(listener_.accepted.value(), 0U);
}

TEST_F(AcceptorTest, KeepsTheLimitOfOneClient) {
  options_.admission.connections_per_client_max = 1;
  serve();
  auto first = come();
  EXPECT_THAT(reply(*first), StartsWith("220 "));
  auto second = come();
  EXPECT_THAT(reply(*second), StartsWith("421 "));
  EXPECT_EQ(counted(Metric::kConnectionsRefused, "client_connections"), 1U);
  first->stream.reset();
  ASSERT_TRUE(run_until([&] { return shared_->gate.open() == 0; }));
  auto third = come();
  EXPECT_THAT(reply(*third), StartsWith("220 "));
}

TEST_F(AcceptorTest, KeepsTheLimitOfAllClients) {
  options_.admission.connections_max = 2;
  serve();
  auto first = come();
  auto second = come();
  EXPECT_THAT(reply(*first) + reply(*second), ::testing::Not(::testing::HasSubstr("421")));
  auto third = come();
  EXPECT_THAT(reply(*third), StartsWith("421 "));
  EXPECT_EQ(counted(Metric::kConnectionsRefused, "connections"), 1U);
}

// Refusals have no slot in the ledger; a flood of them must not grow without a bound either.
TEST_F(AcceptorTest, AFloodOfRefusedClientsGetsNoWords) {
  constexpr std::size_t kClients = 1010;
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 3 * kClients) GTEST_SKIP() << "too few descriptors";
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, 3 * kClients);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  options_.admission.connections_max = 0;
  open();
  // Its loop does not turn: nothing that is handed to it ends.
  const std::unique_ptr<event::Loop> standing = *event::Loop::create();
  Receiver busy(*standing, *shared_);
  receivers_ = {&busy};
  serve();
  std::vector<event::Descriptor> clients;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(event::raw_connect(endpoint_));
    ASSERT_TRUE(
        run_until([&] { return counted(Metric::kConnectionsRefused, "connections") == i + 1; }));
  }
  EXPECT_EQ(busy.sessions(), 1000U);
  acceptor_.reset();
}

TEST_F(AcceptorTest, ABalancerSpeaksForItsClients) {
  listener_.options.proxy_networks = {*Network::parse("127.0.0.1/32")};
  options_.admission.trusted_networks = {*Network::parse("192.0.2.0/24")};
  serve();
  auto client = come();
  client->send("PROXY TCP4 192.0.2.7 10.0.0.1 12345 587\r\n");
  EXPECT_THAT(reply(*client), StartsWith("220 "));
  EXPECT_EQ(listener_.accepted.value(), 1U);
}

TEST_F(AcceptorTest, NobodyElseDoes) {
  listener_.options.proxy_networks = {*Network::parse("127.0.0.2/32")};
  options_.admission.trusted_networks = {*Network::parse("192.0.2.0/24")};
  serve();
  auto client = come();
  client->send("PROXY TCP4 192.0.2.7 10.0.0.1 12345 587\r\n");
  EXPECT_THAT(reply(*client), StartsWith("554 "));
}

TEST_F(AcceptorTest, StopClosesTheListeningSocket) {
  serve();
  acceptor_->stop();
  turn(3);
  EXPECT_FALSE(event::raw_connect(endpoint_).valid());
}

}  // namespace
}  // namespace postrider::submission
