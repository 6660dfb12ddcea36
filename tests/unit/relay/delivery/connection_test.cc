#include "relay/delivery/connection.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {
namespace {

using message::Stage;
using metrics::Metric;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DeliveryConnectionTest : public DeliveryTest, public ConnectionOwner {
 protected:
  ~DeliveryConnectionTest() override { connection_.reset(); }

  void on_ready() override { ++ready_; }

  void on_idle_timeout() override { ++idle_timeouts_; }

  void on_transaction_done(smtp::TransactionDone done) override { done_ = std::move(done); }

  // No text comes in pieces here; see local_channel_test.cc.
  void on_text_wanted() override {}

  void on_connected(Connection& connection) override { EXPECT_EQ(&connection, connection_.get()); }

  void on_ended(Connection&, const smtp::Ended& ended) override {
    ended_ = ended;
    session_ = connection_->take_session();
    connection_.reset();  // from within its own call
  }

  void connect(smtp::StartTlsUse start_tls = smtp::StartTlsUse::kIfOffered,
               std::optional<tls::Session> resume = std::nullopt,
               const std::string& ip = "127.0.0.1") {
    if (!shared_) open();
    ready_ = 0;
    ended_.reset();
    connection_ = std::make_unique<Connection>(
        *shared_, *loop_, *this,
        ConnectionOptions{{"mx.example", *IpAddress::parse(ip)},
                          start_tls,
                          std::move(resume),
                          hop_ ? &*hop_ : &shared_->routes.mail_hosts(),
                          shared_->sources.pool("").front()});
    connection_->start();
  }

  // Connections from now on begin with TLS.
  void begin_with_tls() {
    open();
    hop_ = shared_->routes.mail_hosts();
    hop_->implicit_tls = true;
  }

  void connect_until_ready() {
    connect();
    ASSERT_TRUE(run_until([&] { return ready_ == 1 || ended_; }));
    ASSERT_FALSE(ended_) << ended_->status.text;
  }

  bool run_until_ended() {
    return run_until([&] { return ended_.has_value(); });
  }

  static smtp::Transaction transaction(const std::string& text) {
    message::Envelope envelope;
    envelope.sender = {"a", "from.example"};
    return {envelope, {{{"b", "to.example"}, 0, ""}}, message::Body(text)};
  }

  // The reply that the message met.
  std::string carried(const std::string& text) {
    done_.reset();
    connection_->send(transaction(text));
    EXPECT_TRUE(run_until([&] { return done_.has_value(); }));
    return done_ ? done_->results.at(0).status.to_line() : "";
  }

  static std::string long_text() {
    std::string text;
    while (text.size() < 3'000'000) text += ".line " + std::to_string(text.size()) + "\r\n";
    return text;
  }

  int ready_ = 0;
  int idle_timeouts_ = 0;
  std::optional<smtp::TransactionDone> done_;
  std::optional<Hop> hop_;
  std::optional<smtp::Ended> ended_;
  std::optional<tls::Session> session_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(DeliveryConnectionTest, CarriesMessagesAndQuits) {
  add_host();
  connect_until_ready();
  EXPECT_EQ(connection_->source_text(), "127.0.0.1");
  EXPECT_EQ(carried("one\r\n"), "250 2.0.0 Ok");
  ASSERT_TRUE(run_until([&] { return ready_ == 2; }));
  EXPECT_EQ(carried("two\r\n"), "250 2.0.0 Ok");
  ASSERT_TRUE(run_until([&] { return ready_ == 3; }));
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 1);
  connection_->quit();
  ASSERT_TRUE(run_until_ended());
  EXPECT_TRUE(ended_->orderly);
  EXPECT_THAT(host_->messages, ElementsAre("one\r\n", "two\r\n"));
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
}

TEST_F(DeliveryConnectionTest, SpeaksTheProtocolOfTheHop) {
  add_host();
  host_->replies["LHLO"] = "250 store.example";
  open();
  hop_ = shared_->routes.mail_hosts();
  hop_->protocol = smtp::Protocol::kLmtp;
  connect_until_ready();
  EXPECT_EQ(carried("one\r\n"), "250 2.0.0 Ok");
  EXPECT_THAT(host_->commands, testing::Contains(StartsWith("LHLO ")));
}

TEST_F(DeliveryConnectionTest, TellsWhomItCouldNotReach) {
  add_host().stop_listening();
  turn(2);
  connect();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, Stage::kConnect);
  EXPECT_EQ(ended_->status.code, 0);
  EXPECT_THAT(ended_->status.text, StartsWith("connect to mx.example[127.0.0.1]: "));
  EXPECT_THAT(ended_->status.text, HasSubstr("refused"));
}

TEST_F(DeliveryConnectionTest, TellsAtOnceWhatCannotBeTried) {
  add_host();
  options_.source_ipv4 = IpAddress::parse("192.0.2.77");  // not ours
  connect();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, Stage::kConnect);
}

TEST_F(DeliveryConnectionTest, GivesUpConnectingInTime) {
  // A listener that accepts nothing and whose backlog is full drops what comes.
  const auto listening = event::listen_on(event::any_port(), 0);
  const Endpoint endpoint = *event::local_endpoint(listening->get());
  std::vector<event::Descriptor> fill;
  for (int i = 0; i < 4; ++i) {
    event::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    const unsigned length = endpoint.to_sockaddr(storage);
    (void)::connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), length);
    fill.push_back(std::move(socket));
  }
  options_.port = endpoint.port;
  options_.connect_timeout = Milliseconds(30);
  connect();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, Stage::kConnect);
  EXPECT_THAT(ended_->status.text, HasSubstr("timed out"));
}

TEST_F(DeliveryConnectionTest, GivesUpWaitingForAGreeting) {
  add_host().replies[""] = kSilence;
  options_.timeouts.greeting = Milliseconds(30);
  connect();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, Stage::kGreeting);
}

TEST_F(DeliveryConnectionTest, CarriesALargeMessage) {
  add_host();
  connect_until_ready();
  const std::string text = long_text();
  EXPECT_EQ(carried(text), "250 2.0.0 Ok");
  ASSERT_EQ(host_->messages.size(), 1U);
  EXPECT_TRUE(host_->messages[0] == text);
}

TEST_F(DeliveryConnectionTest, CarriesALargeMessageOverTls) {
  add_host().tls = tls::server_context(identity_);
  connect_until_ready();
  EXPECT_THAT(connection_->tls_text(), StartsWith("TLSv1.3 "));
  const std::string text = long_text();
  EXPECT_EQ(carried(text), "250 2.0.0 Ok");
  ASSERT_EQ(host_->messages.size(), 1U);
  EXPECT_TRUE(host_->messages[0] == text);
  EXPECT_EQ(counted(Metric::kTlsHandshakesOut, "full"), 1U);
}

TEST_F(DeliveryConnectionTest, ResumesATlsSession) {
  add_host().tls = tls::server_context(identity_);
  connect_until_ready();
  connection_->quit();
  ASSERT_TRUE(run_until_ended());
  ASSERT_TRUE(session_);
  connect(smtp::StartTlsUse::kRequired, std::move(session_));
  ASSERT_TRUE(run_until([&] { return ready_ == 1; }));
  EXPECT_EQ(counted(Metric::kTlsHandshakesOut, "resumed"), 1U);
}

TEST_F(DeliveryConnectionTest, StaysInPlaintextWhereToldTo) {
  add_host().tls = tls::server_context(identity_);
  connect(smtp::StartTlsUse::kNever);
  ASSERT_TRUE(run_until([&] { return ready_ == 1; }));
  EXPECT_EQ(connection_->tls_text(), "");
  EXPECT_EQ(host_->handshakes, 0U);
}

TEST_F(DeliveryConnectionTest, EndsWhereRequiredTlsIsNotOffered) {
  add_host();
  connect(smtp::StartTlsUse::kRequired);
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, Stage::kStartTls);
  EXPECT_FALSE(session_);
}

TEST_F(DeliveryConnectionTest, EndsWhereTheHandshakeFails) {
  add_host().breaks_handshakes = true;
  connect();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, Stage::kHandshake);
  EXPECT_EQ(counted(Metric::kTlsHandshakesOut, "failed"), 1U);
}

TEST_F(DeliveryConnectionTest, EndsWhereTheCertificateIsNotTrusted) {
  add_host().tls = tls::server_context(identity_);
  const tls::IdentityFiles other(std::vector<std::string>{"mx.example"});
  client_tls_ = tls::verifying_client(other.server.certificate_file);
  connect(smtp::StartTlsUse::kRequired);
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, Stage::kHandshake);
  EXPECT_EQ(host_->commands.back(), "STARTTLS");
}

TEST_F(DeliveryConnectionTest, TellsItsOwnerThatItIsIdle) {
  add_host();
  options_.idle_timeout = Milliseconds(20);
  connect_until_ready();
  ASSERT_TRUE(run_until([&] { return idle_timeouts_ == 1; }));
  EXPECT_FALSE(ended_);  // what follows is the owner's to say
  connection_->quit();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(host_->commands.back(), "QUIT");
}

TEST_F(DeliveryConnectionTest, APeerThatClosesBetweenMessagesEndsItInOrder) {
  add_host();
  connect_until_ready();
  host_->close_all();
  ASSERT_TRUE(run_until_ended());
  EXPECT_TRUE(ended_->orderly);
  EXPECT_FALSE(done_);
}

TEST_F(DeliveryConnectionTest, APeerThatClosesAfterTheTextLosesTheReply) {
  add_host().replies["."] = kClose;
  connect_until_ready();
  connection_->send(transaction("x\r\n"));
  ASSERT_TRUE(run_until_ended());
  ASSERT_TRUE(done_);
  EXPECT_TRUE(done_->final_reply_lost);
  EXPECT_FALSE(done_->untouched);
}

TEST_F(DeliveryConnectionTest, GivesUpWaitingForTheFinalReply) {
  add_host().replies["."] = kSilence;
  options_.timeouts.end_of_data = Milliseconds(30);
  connect_until_ready();
  connection_->send(transaction("x\r\n"));
  ASSERT_TRUE(run_until_ended());
  EXPECT_TRUE(done_ && done_->final_reply_lost);
}

TEST_F(DeliveryConnectionTest, DoesNotWaitForeverForTheReplyToQuit) {
  add_host().replies["QUIT"] = kSilence;
  options_.timeouts.quit = Milliseconds(20);
  connect_until_ready();
  connection_->quit();
  EXPECT_TRUE(run_until_ended());
}

TEST_F(DeliveryConnectionTest, DestroyingItClosesIt) {
  add_host();
  connect_until_ready();
  connection_.reset();
  EXPECT_TRUE(run_until([&] { return host_->open() == 0; }));
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
}

// --- implicit TLS (RFC 8314); against a real server in tests/e2e/test_routes.py

TEST_F(DeliveryConnectionTest, ImplicitTlsToAHostThatSpeaksPlainTextFails) {
  add_host();
  begin_with_tls();
  connect();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, message::Stage::kHandshake);
  EXPECT_EQ(ready_, 0);
  EXPECT_EQ(counted(Metric::kTlsHandshakesOut, "failed"), 1U);
}

TEST_F(DeliveryConnectionTest, ImplicitTlsToASilentHostTimesOut) {
  add_host().replies[""] = kSilence;
  options_.timeouts.start_tls = Milliseconds(30);
  begin_with_tls();
  connect();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, message::Stage::kHandshake);
  EXPECT_THAT(ended_->status.text, HasSubstr("timed out"));
}

TEST_F(DeliveryConnectionTest, ImplicitTlsToAHostThatClosesFails) {
  add_host().replies[""] = kClose;
  begin_with_tls();
  connect();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(ended_->stage, message::Stage::kHandshake);
}

}  // namespace
}  // namespace postrider::delivery
