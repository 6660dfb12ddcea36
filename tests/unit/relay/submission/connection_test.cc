#include "relay/submission/connection.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/submission/submission_fixture.h"

namespace postrider::submission {
namespace {

using metrics::Metric;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using ConnectionTest = SubmissionTest;

TEST_F(ConnectionTest, TakesAMessageAndSaysSoWhenItIsStored) {
  open();
  auto client = greeted();
  const std::uint64_t before = store_.syncs();
  send_message(*client, "Subject: hello\r\n\r\ntext\r\n");
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 Ok: queued as "));
  EXPECT_GT(store_.syncs(), before);
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_THAT(leases_.at(0).body()->to_string(), HasSubstr("\r\nSubject: hello\r\n\r\ntext\r\n"));
  EXPECT_EQ(counted(Metric::kMessagesAccepted), 1U);
  EXPECT_EQ(counted(Metric::kRecipientsAccepted), 1U);
  EXPECT_EQ(counted(Metric::kBytesAccepted), leases_.at(0).message().size);
}

TEST_F(ConnectionTest, AnswersAPipelinedConversationInOrder) {
  open();
  auto client = greeted();
  client->send(
      "MAIL FROM:<a@from.example>\r\nRCPT TO:<b@to.example>\r\nDATA\r\none\r\n.\r\n"
      "MAIL FROM:<a@from.example>\r\nRCPT TO:<c@to.example>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n");
  std::string codes;
  for (int i = 0; i < 9; ++i) codes += reply(*client).substr(0, 3) + " ";
  EXPECT_EQ(codes, "250 250 354 250 250 250 354 250 221 ");
  EXPECT_TRUE(run_until([&] { return leases_.count() == 2; }));
  EXPECT_TRUE(run_until_empty());
}

TEST_F(ConnectionTest, UpgradesToTlsAndTakesMailAfterLogin) {
  use_submission();
  open();
  auto client = secured();
  EXPECT_EQ(say(*client, plain_login("secret")), "235 2.7.0 Authentication successful\r\n");
  send_message(*client, "\r\ntext\r\n");
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_EQ(leases_.at(0).message().envelope.user, "app");
  EXPECT_THAT(leases_.at(0).body()->to_string(), HasSubstr("with ESMTPSA"));
  EXPECT_EQ(counted(Metric::kTlsHandshakesIn, "ok"), 1U);
  EXPECT_EQ(counted(Metric::kAuthentications, "accepted"), 1U);
}

TEST_F(ConnectionTest, BeginsWithTlsOnAnImplicitTlsListener) {
  use_submission(smtp::ListenerMode::kSubmissions);
  open();
  auto client = connect();
  client->start_tls();
  EXPECT_EQ(reply(*client), "220 relay.example ESMTP postrider\r\n");
  EXPECT_THAT(say(*client, "QUIT"), StartsWith("221 "));
  EXPECT_TRUE(run_until([&] { return client->ended; }));
}

TEST_F(ConnectionTest, TakesALargeMessageOverTls) {
  use_submission(smtp::ListenerMode::kSubmissions);
  open();
  auto client = connect();
  client->start_tls();
  reply(*client);
  say(*client, "EHLO client.example");
  say(*client, plain_login("secret"));
  const std::string text = large_text(3'000'000);
  send_message(*client, text);
  EXPECT_THAT(reply(*client), StartsWith("250 "));
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_TRUE(text_of(leases_.at(0)).ends_with(text));
}

TEST_F(ConnectionTest, EndsWhereTheHandshakeFails) {
  use_submission();
  open();
  auto client = greeted();
  EXPECT_THAT(say(*client, "STARTTLS"), StartsWith("220 "));
  client->send("this is no TLS\r\n");
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  EXPECT_EQ(counted(Metric::kTlsHandshakesIn, "failed"), 1U);
  EXPECT_EQ(counted(Metric::kTlsHandshakesIn, "ok"), 0U);
}

TEST_F(ConnectionTest, RefusesInWordsWhatTheAcceptorRefused) {
  open();
  auto client = connect(message::Status{421, {4, 7, 0}, "Too many connections"});
  EXPECT_EQ(reply(*client), "421 relay.example Too many connections\r\n");
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  client->stream.reset();
  EXPECT_TRUE(run_until_empty());
}

TEST_F(ConnectionTest, RefusesWithoutWordsBeforeTls) {
  use_submission(smtp::ListenerMode::kSubmissions);
  open();
  auto client = connect(message::Status{421, {4, 7, 0}, "Too many connections"});
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  EXPECT_EQ(client->text, "");
  EXPECT_TRUE(run_until_empty());
}

TEST_F(ConnectionTest, ForgetsATextWhoseClientWentAway) {
  open();
  auto client = greeted();
  say(*client, "MAIL FROM:<a@from.example>");
  say(*client, "RCPT TO:<b@to.example>");
  say(*client, "DATA");
  std::string line(998, 'x');
  line += "\r\n";
  for (int i = 0; i < 100; ++i) client->send(line);
  ASSERT_TRUE(run_until([&] { return shared_->texts.octets() > 50'000; }));
  client->stream.reset();
  EXPECT_TRUE(run_until_empty());
  EXPECT_EQ(shared_->texts.octets(), 0U);
  EXPECT_EQ(queue_->stats().messages, 0U);
}

TEST_F(ConnectionTest, AnswersAClientThatOnlyStoppedSending) {
  open();
  auto client = greeted();
  send_message(*client, "text\r\n");
  client->stream->finish();
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
  EXPECT_TRUE(run_until_empty());
}

TEST_F(ConnectionTest, AnswersAClientThatOnlyClosedItsDirectionOfTls) {
  use_submission();
  open();
  auto client = secured();
  EXPECT_THAT(say(*client, plain_login("secret")), StartsWith("235 "));
  hold_store();
  send_message(*client, "\r\ntext\r\n");
  client->close_tls();
  ASSERT_TRUE(run_until_held());
  release_store();
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  client->stream.reset();
  EXPECT_TRUE(run_until_empty());
}

TEST_F(ConnectionTest, CountsAMessageWhoseClientDidNotWaitForTheReply) {
  open();
  auto client = greeted();
  hold_store();
  send_message(*client, "text\r\n");
  ASSERT_TRUE(run_until_held());
  receiver_->cut_off();
  release_store();
  EXPECT_TRUE(run_until([&] { return counted(Metric::kMessagesAccepted) == 1; }));
  EXPECT_TRUE(run_until([&] { return leases_.count() == 1; }));
}

TEST_F(ConnectionTest, RecipientsAreCountedWhileTheyAreKept) {
  options_.bodies_in_flight_max = 4000;
  open();
  auto client = greeted();
  const auto accepted = [&] {
    say(*client, "MAIL FROM:<a@from.example>");
    int count = 0;
    while (count < 100) {
      const std::string answer = say(*client, "RCPT TO:<" + std::string(60, 'b') + "@to.example>");
      if (!answer.starts_with("250 ")) {
        EXPECT_THAT(answer, StartsWith("452 4.3.1 Too much message text"));
        break;
      }
      ++count;
    }
    return count;
  };
  const int first = accepted();
  EXPECT_GT(first, 0);
  EXPECT_LT(first, 100);
  EXPECT_GE(counted(Metric::kRepliesRefused, "bodies_in_flight"), 1U);
  say(*client, "RSET");
  EXPECT_EQ(shared_->texts.octets(), 0U);
  EXPECT_EQ(accepted(), first);
  client->send("RSET\r\nMAIL FROM:<a@from.example>\r\nRCPT TO:<b@to.example>\r\n");
  for (int i = 0; i < 3; ++i) EXPECT_THAT(reply(*client), StartsWith("250 "));
}

TEST_F(ConnectionTest, ReadsNoFurtherWhileACommitIsPending) {
  open();
  auto client = greeted();
  hold_store();
  send_message(*client, "text\r\n");
  client->send("NOOP\r\n");
  ASSERT_TRUE(run_until_held());
  turn(20);
  EXPECT_EQ(client->text, "");
  release_store();
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 Ok: queued"));
  EXPECT_THAT(reply(*client), StartsWith("250 "));
}

TEST_F(ConnectionTest, RefusesWithFourWhileTheStoreFails) {
  open();
  auto client = greeted();
  store_.set_fault([](std::string_view call, std::uint64_t) { return call != "get"; });
  send_message(*client, "text\r\n");
  EXPECT_THAT(reply(*client), StartsWith("451 4.3.0 "));
  EXPECT_EQ(counted(Metric::kMessagesAccepted), 0U);
  EXPECT_EQ(counted(Metric::kRepliesRefused, "commit_refused"), 1U);
}

// --- behind a load balancer

TEST_F(ConnectionTest, TheHeaderOfABalancerNamesTheClient) {
  options_.admission.trusted_networks = {*Network::parse("192.0.2.0/24")};
  open();
  auto client = connect_proxied();
  turn(5);
  EXPECT_EQ(client->text, "");  // nobody is greeted before it is known who it is
  client->send("PROXY TCP4 192.0.2.7 10.0.0.1 12345 587\r\n");
  EXPECT_EQ(reply(*client), "220 relay.example ESMTP postrider\r\n");
  EXPECT_EQ(shared_->gate.open(), 1U);
  say(*client, "EHLO client.example");
  send_message(*client, "text\r\n");
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_THAT(leases_.at(0).body()->to_string(), HasSubstr("([192.0.2.7])"));
  EXPECT_THAT(events(), HasSubstr(R"("client":"192.0.2.7")"));
  client->stream.reset();
  EXPECT_TRUE(run_until_empty());
  EXPECT_EQ(shared_->gate.open(), 0U);
}

TEST_F(ConnectionTest, WhatIsTrustedIsTheClientNotTheBalancer) {
  open();  // trusts 127.0.0.0/8
  auto client = connect_proxied();
  client->send("PROXY TCP4 192.0.2.7 10.0.0.1 12345 587\r\n");
  EXPECT_EQ(reply(*client), "554 relay.example Your address is not in the trusted networks\r\n");
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  EXPECT_EQ(counted(Metric::kConnectionsRefused, "untrusted"), 1U);
  client->stream.reset();
  EXPECT_TRUE(run_until_empty());
}

TEST_F(ConnectionTest, LimitsCountTheClientOfTheHeader) {
  options_.admission.connections_per_client_max = 1;
  open();
  auto one = connect_proxied();
  one->send("PROXY TCP4 127.0.0.7 127.0.0.1 1 2\r\n");
  EXPECT_THAT(reply(*one), StartsWith("220 "));
  auto again = connect_proxied();
  again->send("PROXY TCP4 127.0.0.7 127.0.0.1 2 2\r\n");
  EXPECT_THAT(reply(*again), StartsWith("421 "));
  auto other = connect_proxied();
  other->send("PROXY TCP4 127.0.0.8 127.0.0.1 2 2\r\n");
  EXPECT_THAT(reply(*other), StartsWith("220 "));
}

TEST_F(ConnectionTest, TheBalancersOwnCheckIsOfTheBalancer) {
  using namespace std::string_literals;
  open();
  auto client = connect_proxied();
  client->send("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"s);
  EXPECT_THAT(reply(*client), StartsWith("220 "));
  EXPECT_THAT(say(*client, "QUIT"), StartsWith("221 "));
}

// The balancer is trusted, and so would be whoever comes through it.
TEST_F(ConnectionTest, AClientThatIsNotNamedIsNotTrusted) {
  using namespace std::string_literals;
  open();
  const std::string block = "\r\n\r\n\0\r\nQUIT\n\x21"s;
  const std::string addresses = "\x7f\0\0\1\x7f\0\0\1\0\1\0\2"s;
  for (const std::string& header :
       {"PROXY UNKNOWN\r\n"s, "PROXY UNKNOWN 127.0.0.1 127.0.0.1 1 2\r\n"s, block + "\0\0\0"s,
        block + "\x12\0\x0c"s + addresses, block + "\x31\0\xd8"s + std::string(216, 'u')}) {
    auto client = connect_proxied();
    client->send(header);
    EXPECT_EQ(reply(*client), "554 relay.example The load balancer does not say who you are\r\n");
    EXPECT_TRUE(run_until([&] { return client->ended; }));
  }
  EXPECT_EQ(counted(Metric::kConnectionsRefused, "untrusted"), 5U);
  EXPECT_EQ(shared_->gate.open(), 0U);
}

TEST_F(ConnectionTest, AClientThatIsNotNamedMayLogIn) {
  use_submission();
  open();
  auto client = connect_proxied();
  client->send("PROXY UNKNOWN\r\n");
  EXPECT_THAT(reply(*client), StartsWith("220 "));
  EXPECT_EQ(shared_->gate.open(), 1U);
}

TEST_F(ConnectionTest, TlsMayFollowTheHeaderAtOnce) {
  use_submission(smtp::ListenerMode::kSubmissions);
  open();
  auto client = connect_proxied();
  client->send("PROXY TCP4 192.0.2.7 10.0.0.1 12345 465\r\n");
  client->start_tls();
  EXPECT_EQ(reply(*client), "220 relay.example ESMTP postrider\r\n");
}

TEST_F(ConnectionTest, WithoutAHeaderABalancerIsSentAway) {
  open();
  auto client = connect_proxied();
  client->send("EHLO client.example\r\n");
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  EXPECT_EQ(client->text, "");
  EXPECT_EQ(counted(Metric::kConnectionsRefused, "proxy_header"), 1U);
  EXPECT_TRUE(run_until_empty());
}

TEST_F(ConnectionTest, AHeaderThatIsCutOffLeavesNothingBehind) {
  open();
  auto client = connect_proxied();
  client->send("PROXY TCP4 192.0.2.7");
  turn(5);
  client->stream.reset();
  EXPECT_TRUE(run_until_empty());
  EXPECT_EQ(shared_->gate.open(), 0U);
}

// A header from somebody else is what a client says.
TEST_F(ConnectionTest, AStrangersHeaderIsAnUnknownCommand) {
  open();
  auto client = connect();
  EXPECT_THAT(reply(*client), StartsWith("220 "));
  EXPECT_THAT(say(*client, "PROXY TCP4 192.0.2.7 10.0.0.1 12345 587"), StartsWith("500 5.5.1 "));
}

// --- handshakes in progress

TEST_F(ConnectionTest, HandshakesAreBounded) {
  use_submission();
  options_.handshakes_max = 1;
  open();
  auto slow = greeted();
  EXPECT_THAT(say(*slow, "STARTTLS"), StartsWith("220 "));
  auto other = greeted();
  EXPECT_EQ(say(*other, "STARTTLS"),
            "454 4.7.0 Too many TLS handshakes are in progress; try again soon\r\n");
  EXPECT_EQ(counted(Metric::kRepliesRefused, "handshakes"), 1U);
  slow->start_tls();
  EXPECT_TRUE(run_until([&] { return slow->in_tls(); }));
  EXPECT_TRUE(run_until([&] { return shared_->handshakes.taken() == 0; }));
  EXPECT_THAT(say(*other, "STARTTLS"), StartsWith("220 "));
  other->send("this is no TLS\r\n");
  EXPECT_TRUE(run_until([&] { return shared_->handshakes.taken() == 0; }));
}

TEST_F(ConnectionTest, AConnectionThatBeginsWithTlsIsClosedBeyondThat) {
  use_submission(smtp::ListenerMode::kSubmissions);
  options_.handshakes_max = 1;
  open();
  auto slow = connect();
  slow->send("\x16");
  ASSERT_TRUE(run_until([&] { return shared_->handshakes.taken() == 1; }));
  auto other = connect();
  other->send("\x16");
  EXPECT_TRUE(run_until([&] { return other->ended; }));
  EXPECT_EQ(counted(Metric::kConnectionsRefused, "handshakes"), 1U);
  slow->stream.reset();
  EXPECT_TRUE(run_until([&] { return shared_->handshakes.taken() == 0; }));
}

TEST_F(ConnectionTest, AClientThatSaysNothingTakesNoPlace) {
  use_submission(smtp::ListenerMode::kSubmissions);
  options_.handshakes_max = 1;
  open();
  auto silent = connect();
  auto behind_a_balancer = connect_proxied();
  behind_a_balancer->send("PROXY TCP4 192.0.2.7 10.0.0.1 12345 465\r\n");
  ASSERT_TRUE(run_until([&] { return shared_->gate.open() == 1; }));
  EXPECT_EQ(shared_->handshakes.taken(), 0U);
  auto other = connect();
  other->start_tls();
  EXPECT_EQ(reply(*other), "220 relay.example ESMTP postrider\r\n");
}

TEST_F(ConnectionTest, OneClientLeavesPlacesToOthers) {
  use_submission(smtp::ListenerMode::kSubmissions);
  options_.handshakes_max = 4;
  open();
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 5; ++i) {
    slow.push_back(connect_proxied());
    slow.back()->send("PROXY TCP4 192.0.2.7 10.0.0.1 12345 465\r\n\x16");
  }
  ASSERT_TRUE(run_until([&] { return counted(Metric::kConnectionsRefused, "handshakes") == 3; }));
  EXPECT_EQ(shared_->handshakes.taken(), 2U);
  auto other = connect_proxied();
  other->send("PROXY TCP4 192.0.2.8 10.0.0.1 12345 465\r\n");
  other->start_tls();
  EXPECT_EQ(reply(*other), "220 relay.example ESMTP postrider\r\n");
}

TEST_F(ConnectionTest, EndsASilentSession) {
  listener_.session.idle_timeout = Milliseconds(20);
  open();
  auto client = connect();
  reply(*client);
  EXPECT_THAT(reply(*client), StartsWith("421 4.4.2 "));
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  EXPECT_EQ(counted(Metric::kRepliesRefused, "idle_timeout"), 1U);
}

TEST_F(ConnectionTest, LetsAClientThatDoesNotReadWait) {
  listener_.session.command_line_max = 4096;
  listener_.session.idle_commands_max = 1'000'000'000;
  open();
  auto [ours, theirs] = event::connected_pair();
  const Endpoint peer = *event::local_endpoint(ours.get());
  receiver_->adopt({std::move(theirs), peer, &listener_});
  std::string commands;
  while (commands.size() < 64'000) commands += "EHLO client.example\r\n";
  // It ends when neither side's buffers take more: nobody makes room.
  constexpr std::size_t kMuch = std::size_t{256} << 20;
  std::size_t sent = 0;
  for (int refused = 0; refused < 200 && sent < kMuch;) {
    const ssize_t taken =
        ::send(ours.get(), commands.data(), commands.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    refused = taken < 0 ? refused + 1 : 0;
    if (taken > 0) sent += static_cast<std::size_t>(taken);
    loop_->poll_once();
  }
  EXPECT_LT(sent, kMuch);
  EXPECT_EQ(receiver_->sessions(), 1U);
}

TEST_F(ConnectionTest, EndsAtOnceWhenTheClientHasQuit) {
  open();
  auto client = greeted();
  EXPECT_THAT(say(*client, "QUIT"), StartsWith("221 "));
  EXPECT_EQ(receiver_->sessions(), 1U);  // waits for the client's end of the connection
  client->stream.reset();
  EXPECT_TRUE(run_until_empty());
  EXPECT_EQ(listener_.open.value(), 0);
}

// Others need the descriptors.
TEST_F(ConnectionTest, OnlySomeLinger) {
  open();
  shared_->lingering_max = 1;
  auto first = greeted();
  EXPECT_THAT(say(*first, "QUIT"), StartsWith("221 "));
  auto second = greeted();
  EXPECT_THAT(say(*second, "QUIT"), StartsWith("221 "));
  EXPECT_TRUE(run_until([&] { return receiver_->sessions() == 1; }));
  EXPECT_EQ(shared_->lingering.taken(), 1U);
  EXPECT_FALSE(first->failed || second->failed);
  first->stream.reset();
  EXPECT_TRUE(run_until_empty());
  EXPECT_EQ(shared_->lingering.taken(), 0U);
}

TEST_F(ConnectionTest, AClientThatVanishesLeavesAtOnce) {
  open();
  auto client = greeted();
  const TimePoint begun = clock_.now();
  client->stream.reset();
  EXPECT_TRUE(run_until_empty());
  EXPECT_LT(clock_.now() - begun, Seconds(2));  // less than lingering would take
}

// --- what a client may ask for with a message

class WishesTest : public ConnectionTest {
 protected:
  // A client that has logged in.
  std::unique_ptr<Client> logged_in() {
    auto client = secured();
    EXPECT_THAT(say(*client, plain_login("secret")), StartsWith("235 "));
    return client;
  }

  // The rest of a message; what its end is answered.
  std::string finish(Client& client) {
    EXPECT_THAT(say(client, "RCPT TO:<b@to.example>"), StartsWith("250 "));
    EXPECT_THAT(say(client, "DATA"), StartsWith("354 "));
    return say(client, "\r\ntext\r\n.");
  }

  queue::MessageSummary only_message() {
    queue::Selector all;
    all.all = true;
    auto page = queue_->messages(all, 10);
    EXPECT_TRUE(page && page->messages.size() == 1);
    return page && !page->messages.empty() ? page->messages[0] : queue::MessageSummary();
  }
};

TEST_F(WishesTest, AMessageWaitsForItsTimeAndLivesFromThen) {
  use_submission();
  open();
  auto client = logged_in();
  EXPECT_THAT(say(*client, "MAIL FROM:<a@from.example> HOLDFOR=7200"), StartsWith("250 2.1.0 "));
  EXPECT_THAT(finish(*client), StartsWith("250 2.0.0 "));
  const queue::MessageSummary kept = only_message();
  const WallTime release = kept.message.envelope.release;
  EXPECT_GE(release, kept.message.arrived + std::chrono::hours(2) - Seconds(10));
  EXPECT_LE(release, kept.message.arrived + std::chrono::hours(2) + Milliseconds(1));
  EXPECT_EQ(kept.deliveries.at(0).due, release);
  EXPECT_EQ(kept.message.expires, release + std::chrono::hours(24));
  EXPECT_THAT(events(), HasSubstr("\"release\":\"" + to_iso8601(release) + "\""));
  EXPECT_EQ(counted(Metric::kExtensionsUsed, "future_release"), 1U);
  EXPECT_EQ(leases_.count(), 0U);
}

TEST_F(WishesTest, APriorityGoesAsHighAsTheUserMay) {
  auth_options_.users[0].priority_max = message::Band::kHigh;
  use_submission();
  open();
  auto client = logged_in();
  EXPECT_EQ(say(*client, "MAIL FROM:<a@from.example> MT-PRIORITY=3"), "250 2.1.0 Ok\r\n");
  finish(*client);
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_EQ(leases_.at(0).message().band, queue::Band::kHigh);
  EXPECT_EQ(leases_.at(0).message().envelope.priority, 3);
  EXPECT_THAT(leases_.at(0).body()->to_string(), HasSubstr(" PRIORITY 3;"));
  EXPECT_THAT(events(), HasSubstr("\"priority\":3"));
  EXPECT_EQ(counted(Metric::kExtensionsUsed, "mt_priority"), 1U);
  EXPECT_EQ(counted(Metric::kExtensionsUsed, "mt_priority_lowered"), 0U);
}

TEST_F(WishesTest, APriorityAboveThatIsLowered) {
  use_submission();
  open();
  auto client = logged_in();
  EXPECT_THAT(say(*client, "MAIL FROM:<a@from.example> MT-PRIORITY=3"), StartsWith("250 2.3.6 0 "));
  finish(*client);
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_EQ(leases_.at(0).message().band, queue::Band::kNormal);
  EXPECT_EQ(leases_.at(0).message().envelope.priority, 0);
  EXPECT_THAT(events(), HasSubstr("\"asked_priority\":3"));
  EXPECT_EQ(counted(Metric::kExtensionsUsed, "mt_priority_lowered"), 1U);
}

TEST_F(WishesTest, WhoMayOnlySendLowPriorityIsToldSoAlways) {
  auth_options_.users[0].priority_max = message::Band::kLow;
  use_submission();
  open();
  auto client = logged_in();
  EXPECT_THAT(say(*client, "MAIL FROM:<a@from.example>"), StartsWith("250 2.3.6 -4 "));
  finish(*client);
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_EQ(leases_.at(0).message().band, queue::Band::kLow);
}

TEST_F(WishesTest, AClientWithoutAnAccountMayOnlyStandBack) {
  open();
  auto client = greeted();
  EXPECT_THAT(say(*client, "MAIL FROM:<a@from.example> MT-PRIORITY=9"), StartsWith("250 2.3.6 0 "));
  EXPECT_EQ(say(*client, "RSET"), "250 2.0.0 Ok\r\n");
  EXPECT_EQ(say(*client, "MAIL FROM:<a@from.example> MT-PRIORITY=-9"), "250 2.1.0 Ok\r\n");
  finish(*client);
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_EQ(leases_.at(0).message().band, queue::Band::kLow);
  EXPECT_EQ(leases_.at(0).message().envelope.priority, -9);
}

}  // namespace
}  // namespace postrider::submission
