#include "relay/delivery/local_channel.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include "queue/keys.h"
#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {
namespace {

using message::Stage;
using metrics::Metric;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class LocalChannelTest : public DeliveryTest, public ChannelOwner {
 protected:
  ~LocalChannelTest() override {
    channel_.reset();
    held_ = {};
  }

  void on_idle(Channel&) override { ++idle_; }

  void on_leaving(Channel&) override { ++leaving_; }

  void on_carried(Channel& channel, const Carried& carried) override {
    if (retire_) channel.retire();
    carried_ = carried;
  }

  void on_turned_away(Channel&, Parcel parcel, std::vector<smtp::RecipientResult> results,
                      AttemptFacts) override {
    held_ = std::move(parcel.lease);
    turned_away_ = std::move(results);
  }

  void on_untouched(Channel&, Parcel parcel) override {
    held_ = std::move(parcel.lease);
    ++untouched_;
  }

  void on_closed_by_peer(unsigned messages, Duration) override { closed_after_ = messages; }

  void on_ended(Channel&, const std::optional<smtp::Ended>& met) override {
    met_ = met;
    ended_ = true;
    channel_.reset();  // from within its own call
  }

  void dial(const std::vector<std::string>& addresses = {"127.0.0.1"}) {
    if (!shared_) open();
    std::vector<Target> targets;
    for (const std::string& address : addresses) {
      targets.push_back({"mx.example", *IpAddress::parse(address)});
    }
    idle_ = 0;
    ended_ = false;
    for (const std::string& address : avoided_) note(address, false);
    const ChannelOptions terms{"mx.example",
                               &shared_->routes.mail_hosts(),
                               shared_->sources.pool("").front(),
                               &shared_->destinations.replies({"mx.example"}),
                               options_.recipients_per_transaction_max,
                               sessions_};
    channel_ = std::make_unique<LocalChannel>(*shared_, *loop_, *this, terms, std::move(targets));
    channel_->open();
  }

  bool run_until_idle(int times = 1) {
    return run_until([&] { return idle_ == times || ended_; }) && !ended_;
  }

  bool run_until_ended() {
    return run_until([&] { return ended_; });
  }

  // Carries one more message; what the journal says of it, "" where it came back.
  std::string carry() {
    const std::size_t before = events().size();
    channel_->carry({a_lease(), {}}, options_.messages_per_connection_max);
    EXPECT_TRUE(run_until([&] {
      return events().find(R"("event":"d)", before) != std::string::npos || held_.valid();
    }));
    return events().substr(before);
  }

  // The second message of a connection, whose MAIL is answered so, was not begun.
  void expect_back_from_reused(const std::string& answer) {
    add_host().once["MAIL"] = {"250 2.1.0 Ok", answer};
    dial();
    ASSERT_TRUE(run_until_idle());
    EXPECT_THAT(carry(), HasSubstr("250 2.0.0 Ok"));
    ASSERT_TRUE(run_until_idle(2));
    carry();
    EXPECT_EQ(untouched_, 1);
    EXPECT_TRUE(held_.valid());
    EXPECT_TRUE(run_until_ended());
    EXPECT_FALSE(met_);
  }

  [[nodiscard]] Endpoint at(const std::string& ip) const {
    return {*IpAddress::parse(ip), options_.port};
  }

  void note(const std::string& ip, bool works) {
    shared_->health.note(at(ip), works, clock_.now());
  }

  bool is_avoided(const std::string& ip) {
    return shared_->health.is_avoided(at(ip), clock_.now());
  }

  std::vector<std::string> avoided_;
  std::shared_ptr<TlsSessions> sessions_ = std::make_shared<TlsSessions>();
  int idle_ = 0;
  int leaving_ = 0;
  int untouched_ = 0;
  bool retire_ = false;
  bool ended_ = false;
  std::optional<smtp::Ended> met_;
  queue::Lease held_;
  Carried carried_;
  std::vector<smtp::RecipientResult> turned_away_;
  unsigned closed_after_ = 0;
  std::unique_ptr<Channel> channel_;
};

TEST_F(LocalChannelTest, CarriesOneDeliveryAfterAnother) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  EXPECT_EQ(gauge(Metric::kConnectionsOutIdle), 1);
  const std::string said = carry();
  EXPECT_THAT(said, HasSubstr("250 2.0.0 Ok"));
  EXPECT_THAT(said, HasSubstr(R"("site":"mx.example")"));
  EXPECT_THAT(said, HasSubstr(R"("host":"mx.example")"));
  EXPECT_THAT(said, HasSubstr(R"("ip":"127.0.0.1")"));
  EXPECT_THAT(said, HasSubstr(R"("source":"127.0.0.1")"));
  EXPECT_TRUE(carried_.verdict);
  ASSERT_TRUE(run_until_idle(2));
  EXPECT_THAT(carry(), HasSubstr("250 2.0.0 Ok"));
  ASSERT_TRUE(run_until_idle(3));
  EXPECT_EQ(counted(Metric::kConnectionsReused), 1U);
  EXPECT_EQ(counted(Metric::kConnectionsOut, "ok"), 1U);
  channel_->quit();
  EXPECT_TRUE(channel_->leaving());
  EXPECT_EQ(leaving_, 1);
  EXPECT_FALSE(channel_->idle());
  ASSERT_TRUE(run_until_ended());
  EXPECT_FALSE(met_);
  EXPECT_EQ(gauge(Metric::kConnectionsOutIdle), 0);
}

// What is too large to be held is read as it is sent.
class LargeTextTest : public LocalChannelTest {
 protected:
  LargeTextTest() { queue_options_.lease_bytes_max = 0; }

  // A parcel as it is when its text has been read through.
  Parcel a_parcel(const DeliveryTest::Mail& mail) {
    Parcel parcel{lease_of(mail), {}, {}};
    smtp::TextSurvey survey;
    survey.feed(message::Body(mail.text));
    parcel.text = survey.finish();
    return parcel;
  }

  // Carries it to its end; the most octets of texts that were in memory meanwhile.
  std::uint64_t carry_large(Parcel parcel) {
    const std::size_t before = events().size();
    std::uint64_t most = 0;
    channel_->carry(std::move(parcel), options_.messages_per_connection_max);
    EXPECT_TRUE(run_until([&] {
      most = std::max(most, queue_->stats().lease_bytes);
      return events().find(R"("event":"d)", before) != std::string::npos;
    }));
    return most;
  }

  const std::string text_ = lines(queue::Queue::kPieceSize * 5 + 100);
};

TEST_F(LargeTextTest, IsNeverHeldWhole) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  EXPECT_LE(carry_large(a_parcel({.text = text_})), queue::Queue::kPieceSize);
  ASSERT_EQ(host_->messages.size(), 1U);
  EXPECT_TRUE(host_->messages[0] == text_);
  ASSERT_TRUE(run_until_idle(2));
  carry_large(a_parcel({.text = text_}));
  EXPECT_EQ(events_of("delivered"), 2U);
}

TEST_F(LargeTextTest, GoesOutWholeWhateverItsFront) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  const std::size_t fronts[] = {10, queue::OpenBody::kFrontMax};
  for (const std::size_t front : fronts) {
    carry_large(a_parcel({.text = text_, .front = front}));
    ASSERT_FALSE(host_->messages.empty());
    EXPECT_TRUE(host_->messages.back() == text_);
  }
  EXPECT_EQ(events_of("delivered"), 2U);
}

TEST_F(LargeTextTest, NorOverTls) {
  add_host().tls = tls::server_context(identity_);
  dial();
  ASSERT_TRUE(run_until_idle());
  EXPECT_LE(carry_large(a_parcel({.text = text_})), queue::Queue::kPieceSize);
  ASSERT_EQ(host_->messages.size(), 1U);
  EXPECT_TRUE(host_->messages[0] == text_);
}

TEST_F(LargeTextTest, GoesOutOnceForEachTransactionOfADelivery) {
  options_.recipients_per_transaction_max = 1;
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  carry_large(a_parcel({.to = {"1@to.example", "2@to.example"}, .text = text_}));
  ASSERT_EQ(host_->messages.size(), 2U);
  EXPECT_TRUE(host_->messages[1] == text_);
  EXPECT_EQ(events_of("delivered"), 2U);
}

TEST_F(LargeTextTest, DamageWithinItIsNeverDelivered) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  Parcel parcel = a_parcel({.text = text_});
  store_.damage(queue::body_key(parcel.lease.message().id, 18));
  carry_large(std::move(parcel));
  ASSERT_TRUE(run_until_ended());
  EXPECT_THAT(events(), HasSubstr("could not be read from the queue"));
  EXPECT_TRUE(run_until([&] { return counted(Metric::kQueueQuarantined) == 1; }));
  EXPECT_TRUE(run_until([&] { return host_->open() == 0; }));
  EXPECT_TRUE(host_->messages.empty());
}

TEST_F(LargeTextTest, AFailingDiskWithinItPutsItOff) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  Parcel parcel = a_parcel({.text = text_});
  store_.set_fault([reads = 0](std::string_view call, std::uint64_t) mutable {
    return call == "get" && ++reads > 10;
  });
  carry_large(std::move(parcel));
  store_.set_fault({});
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(events_of("deferred"), 1U);
  EXPECT_EQ(counted(Metric::kQueueQuarantined), 0U);
  EXPECT_TRUE(host_->messages.empty());
  EXPECT_FALSE(is_avoided("127.0.0.1"));
}

TEST_F(LargeTextTest, AChannelMayGoWhileAPieceIsRead) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  channel_->carry(a_parcel({.text = text_}), 1);
  ASSERT_TRUE(run_until([&] { return queue_->stats().lease_bytes > 0; }));
  channel_.reset();
  held_ = take_lease();
  EXPECT_TRUE(run_until([&] { return queue_->stats().lease_bytes == 0; }));
}

TEST_F(LocalChannelTest, GoesOnToTheNextAddress) {
  add_host();
  dial({"127.0.0.2", "127.0.0.3", "127.0.0.1"});
  ASSERT_TRUE(run_until_idle());
  EXPECT_TRUE(is_avoided("127.0.0.2"));
  EXPECT_TRUE(is_avoided("127.0.0.3"));
  EXPECT_FALSE(is_avoided("127.0.0.1"));
  EXPECT_EQ(counted(Metric::kConnectionsOut, "connect"), 2U);
}

TEST_F(LocalChannelTest, TriesAddressesThatLatelyFailedLast) {
  add_host();
  const auto other = neighbour("127.0.0.2");
  avoided_ = {"127.0.0.1"};
  dial({"127.0.0.1", "127.0.0.2"});
  ASSERT_TRUE(run_until_idle());
  EXPECT_EQ(channel_->target().ip.to_string(), "127.0.0.2");
  EXPECT_TRUE(is_avoided("127.0.0.1"));
  channel_.reset();
}

TEST_F(LocalChannelTest, TellsWhatTheLastAddressMet) {
  add_host().replies[""] = "554 5.3.2 No service";
  dial({"127.0.0.2", "127.0.0.1"});
  ASSERT_TRUE(run_until_ended());
  ASSERT_TRUE(met_);
  EXPECT_EQ(met_->stage, Stage::kGreeting);
  EXPECT_EQ(met_->status.code, 554);
}

TEST_F(LocalChannelTest, TriesPlaintextOnceAfterAFailedHandshake) {
  add_host().breaks_handshakes = true;
  dial();
  ASSERT_TRUE(run_until_idle());
  EXPECT_EQ(host_->connections, 2U);
  EXPECT_FALSE(is_avoided("127.0.0.1"));
  EXPECT_THAT(carry(), Not(HasSubstr(R"("tls")")));
}

TEST_F(LocalChannelTest, AHandshakeThatFailedIsRemembered) {
  add_host().breaks_handshakes = true;
  dial();
  ASSERT_TRUE(run_until_idle());
  channel_.reset();
  host_->breaks_handshakes = false;
  host_->tls = tls::server_context(identity_);
  dial();
  ASSERT_TRUE(run_until_idle());
  EXPECT_EQ(host_->connections, 3U);
  EXPECT_EQ(host_->handshakes, 0U);
}

TEST_F(LocalChannelTest, NeverTriesPlaintextWhereTlsIsRequired) {
  add_host().breaks_handshakes = true;
  options_.tls = policy::TlsLevel::kEncrypt;
  dial();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(met_->stage, Stage::kHandshake);
  EXPECT_EQ(host_->connections, 1U);
}

class RequiredTlsTest : public LocalChannelTest,
                        public ::testing::WithParamInterface<policy::TlsLevel> {};

TEST_P(RequiredTlsTest, AHostWithoutItIsToldNothing) {
  add_host();
  options_.tls = GetParam();
  dial();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(met_->stage, Stage::kStartTls);
  ASSERT_TRUE(run_until([this] { return host_->commands.size() > 1; }));
  EXPECT_THAT(host_->commands, ElementsAre("EHLO relay.example", "QUIT"));
}

INSTANTIATE_TEST_SUITE_P(Levels, RequiredTlsTest,
                         ::testing::Values(policy::TlsLevel::kEncrypt, policy::TlsLevel::kVerify),
                         [](const auto& level) {
                           return std::string(policy::name_of(level.param));
                         });

TEST_F(LocalChannelTest, SpeaksPlaintextWhereTlsIsOff) {
  add_host().tls = tls::server_context(identity_);
  options_.tls = policy::TlsLevel::kNone;
  dial();
  ASSERT_TRUE(run_until_idle());
  EXPECT_EQ(host_->handshakes, 0U);
}

TEST_F(LocalChannelTest, KeepsTheTlsSessionForTheNext) {
  add_host().tls = tls::server_context(identity_);
  dial();
  ASSERT_TRUE(run_until_idle());
  channel_->quit();
  ASSERT_TRUE(run_until_ended());
  dial();
  ASSERT_TRUE(run_until_idle());
  EXPECT_EQ(counted(Metric::kTlsHandshakesOut, "resumed"), 1U);
}

TEST_F(LocalChannelTest, ALeaseThatAReusedConnectionDidNotBeginComesBack) {
  expect_back_from_reused(std::string(kClose));
}

TEST_F(LocalChannelTest, ALeaseThatAReusedConnectionHasNoRoomForComesBack) {
  expect_back_from_reused("452 4.5.3 Too many messages sent");
}

TEST_F(LocalChannelTest, WithNoRoomOnAFreshConnectionThatIsAnAttempt) {
  add_host().replies["MAIL"] = "452 4.5.3 Too many messages sent";
  dial();
  ASSERT_TRUE(run_until_idle());
  EXPECT_THAT(carry(), HasSubstr("452 4.5.3 Too many messages sent"));
  EXPECT_EQ(untouched_, 0);
}

TEST_F(LocalChannelTest, OnAFreshConnectionAnotherHostMayTakeItAndTheOwnerDecides) {
  add_host().replies["MAIL"] = kClose;
  dial();
  ASSERT_TRUE(run_until_idle());
  EXPECT_EQ(carry(), "");
  EXPECT_EQ(untouched_, 0);
  ASSERT_EQ(turned_away_.size(), 1U);
  EXPECT_EQ(turned_away_[0].status.code, 0);
  EXPECT_TRUE(is_avoided("127.0.0.1"));
  EXPECT_TRUE(run_until_ended());
}

TEST_F(LocalChannelTest, SaysWhatTheRepliesAskOfTheSite) {
  add_host().replies["."] = "421 4.7.0 Too many connections from your address";
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  EXPECT_TRUE(carried_.slow_down);
  EXPECT_FALSE(carried_.verdict);
}

TEST_F(LocalChannelTest, CountsALostFinalReply) {
  add_host().replies["."] = kClose;
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  EXPECT_EQ(counted(Metric::kFinalReplyLost), 1U);
}

TEST_F(LocalChannelTest, QuitsWhenItHasCarriedEnough) {
  add_host();
  options_.messages_per_connection_max = 2;
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  ASSERT_TRUE(run_until_idle(2));
  carry();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(idle_, 2);  // not offered a third time
  EXPECT_EQ(host_->commands.back(), "QUIT");
}

TEST_F(LocalChannelTest, QuitsAfterATransactionInWhichItWasRetired) {
  add_host().replies["DATA"] = "530 5.7.0 Must issue a STARTTLS command first";
  retire_ = true;
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(idle_, 1);
  EXPECT_EQ(host_->commands.back(), "QUIT");
}

// --- an address that does not answer (RFC 8305); a listener whose queue is full drops what comes

class DeafAddress {
 public:
  explicit DeafAddress(const Endpoint& at) {
    sockaddr_storage storage{};
    const auto length = at.to_sockaddr(storage);
    const auto* const address = reinterpret_cast<const sockaddr*>(&storage);
    const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets_.emplace_back(listening);
    const int on = 1;
    ::setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    EXPECT_EQ(::bind(listening, address, length), 0);
    EXPECT_EQ(::listen(listening, 0), 0);
    for (int i = 0; i < 4; ++i) {
      const int filling = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      ::connect(filling, address, length);
      sockets_.emplace_back(filling);
    }
  }

 private:
  std::vector<event::Descriptor> sockets_;
};

TEST_F(LocalChannelTest, WhileAnAddressIsDeafTheNextIsTriedBesideIt) {
  add_host();
  const DeafAddress deaf({*IpAddress::parse("127.0.0.3"), host_->endpoint().port});
  const TimePoint began = clock_.now();
  dial({"127.0.0.3", "127.0.0.1"});
  ASSERT_TRUE(run_until_idle());
  EXPECT_LT(clock_.now() - began, options_.connect_timeout / 4);
  EXPECT_THAT(carry(), HasSubstr("250 2.0.0 Ok"));
  EXPECT_EQ(channel_->target().ip.to_string(), "127.0.0.1");
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 1);
}

TEST_F(LocalChannelTest, TheDeafAddressHasItsTurnWhereTheOtherRefuses) {
  add_host().replies[""] = "554 5.3.2 No service";
  const DeafAddress deaf({*IpAddress::parse("127.0.0.3"), host_->endpoint().port});
  options_.connect_timeout = Milliseconds(600);
  dial({"127.0.0.3", "127.0.0.1"});
  ASSERT_TRUE(run_until_ended());
  ASSERT_TRUE(met_);
  EXPECT_EQ(met_->stage, Stage::kConnect);
  EXPECT_EQ(host_->connections, 1U);
  EXPECT_EQ(counted(Metric::kConnectionsOut, "greeting"), 1U);
  EXPECT_EQ(counted(Metric::kConnectionsOut, "connect"), 1U);
}

TEST_F(LocalChannelTest, AllAddressesMayBeDeaf) {
  add_host();
  const DeafAddress one({*IpAddress::parse("127.0.0.3"), host_->endpoint().port});
  const DeafAddress two({*IpAddress::parse("127.0.0.4"), host_->endpoint().port});
  options_.connect_timeout = Milliseconds(400);
  dial({"127.0.0.3", "127.0.0.4"});
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(counted(Metric::kConnectionsOut, "connect"), 2U);
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
}

// It must not be handed a delivery while it waits for the reply to QUIT.
TEST_F(LocalChannelTest, IsNotIdleAnyMoreWhenItsTimeIsUp) {
  add_host().replies["QUIT"] = kSilence;
  options_.idle_timeout = Milliseconds(20);
  options_.timeouts.quit = Milliseconds(50);
  dial();
  ASSERT_TRUE(run_until_idle());
  ASSERT_TRUE(run_until([&] { return channel_->leaving(); }));
  EXPECT_FALSE(channel_->idle());
  EXPECT_EQ(gauge(Metric::kConnectionsOutIdle), 0);
  EXPECT_TRUE(run_until_ended());
}

TEST_F(LocalChannelTest, EndsWhenThePeerClosesAnIdleConnection) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  host_->say_to_all("421 4.3.2 Shutting down");
  ASSERT_TRUE(run_until_ended());
  EXPECT_FALSE(met_);
  EXPECT_EQ(gauge(Metric::kConnectionsOutIdle), 0);
}

TEST_F(LocalChannelTest, DestroyedWhileCarryingItGivesTheLeaseBack) {
  add_host().replies["."] = kSilence;
  dial();
  ASSERT_TRUE(run_until_idle());
  channel_->carry({a_lease(), {}}, 100);
  ASSERT_TRUE(run_until([&] { return !host_->messages.empty(); }));
  channel_.reset();
  const queue::Lease again = take_lease();
  EXPECT_TRUE(again.valid());
  EXPECT_EQ(again.attempts(), 0U);
}

TEST_F(LocalChannelTest, DestroyedWhileIdleItIsNotCountedAnyMore) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  channel_.reset();
  EXPECT_EQ(gauge(Metric::kConnectionsOutIdle), 0);
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
}

}  // namespace
}  // namespace postrider::delivery
