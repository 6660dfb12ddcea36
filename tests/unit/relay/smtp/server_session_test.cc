// The flow of actions, time and endings. What each command says is in server_verbs_test.cc, texts
// are in server_text_test.cc, and tests/dialogs has whole conversations.
#include "relay/smtp/server_session.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/smtp/server_fixture.h"

namespace postrider::smtp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using ServerSessionTest = ServerFixture;

TEST_F(ServerSessionTest, RefusesAConnectionInsteadOfGreeting) {
  ServerSession refused(options);
  refused.refuse({421, {4, 7, 0}, "Too many connections"}, now);
  ASSERT_TRUE(std::holds_alternative<Refused>(*refused.next()));
  EXPECT_EQ(std::get<Send>(*refused.next()).bytes, "421 relay.test Too many connections\r\n");
  EXPECT_EQ(std::get<Close>(*refused.next()).reason, "refused");
  EXPECT_FALSE(refused.next().has_value());
}

TEST_F(ServerSessionTest, ABatchIsAnsweredInOneSend) {
  hello();
  sends = 0;
  std::string batch = "MAIL FROM:<a@b.test>\r\n";
  for (int i = 0; i < 100; ++i) batch += "RCPT TO:<" + std::to_string(i) + "@d.test>\r\n";
  raw(batch + "DATA\r\n");
  EXPECT_EQ(sends, 1);
  EXPECT_THAT(said, testing::EndsWith(".<CR><LF>\r\n"));
}

TEST_F(ServerSessionTest, WhatWasSaidIsSentBeforeWaitingForAnAnswer) {
  hello();
  answers = false;
  EXPECT_EQ(raw("NOOP\r\nMAIL FROM:<a@b.test>\r\nNOOP\r\n"), "250 2.0.0 Ok\r\n");
  EXPECT_EQ(asked, "sender");
  EXPECT_EQ(answer(kYes), "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
}

TEST_F(ServerSessionTest, WantsNoInputWhileSomeIsLeftOver) {
  hello();
  answers = false;
  raw("MAIL FROM:<a@b.test>\r\n");
  EXPECT_TRUE(session().wants_input());
  raw("RCPT TO:<c@d.test>\r\n");
  EXPECT_FALSE(session().wants_input());
  answer(kYes);
  EXPECT_EQ(asked, "recipient c@d.test");
  EXPECT_TRUE(session().wants_input());
}

TEST_F(ServerSessionTest, TakesInputThatComesUnwantedAllTheSame) {
  hello();
  answers = false;
  raw("MAIL FROM:<a@b.test>\r\nNO");
  raw("OP\r\nVRFY");
  raw(" x\r\n");
  EXPECT_THAT(answer(kYes), testing::MatchesRegex("250[^\r]*\r\n250[^\r]*\r\n252[^\r]*\r\n"));
}

TEST_F(ServerSessionTest, NoDeadlineWhileWeAreWaitedFor) {
  hello();
  answers = false;
  client("MAIL FROM:<a@b.test>");
  EXPECT_EQ(session().deadline(), TimePoint::max());
  advance(std::chrono::hours(5));
  EXPECT_FALSE(closed());
  answer(kYes);
  EXPECT_EQ(session().deadline(), now + options.idle_timeout);
}

TEST_F(ServerSessionTest, IdleTimeout) {
  envelope();
  EXPECT_EQ(session().deadline(), now + options.idle_timeout);
  EXPECT_EQ(advance(options.idle_timeout - Seconds(1)), "");
  EXPECT_EQ(advance(Seconds(1)).substr(0, 9), "421 4.4.2");
  EXPECT_EQ(close_reason, "idle_timeout");
}

TEST_F(ServerSessionTest, TheLoginDeadlineIsAbsolute) {
  options.login_deadline = Seconds(100);
  session();
  for (int i = 0; i < 9; ++i) {
    advance(Seconds(10));
    client("NOOP");
  }
  advance(Seconds(10));
  EXPECT_EQ(close_reason, "login_timeout");
}

TEST_F(ServerSessionTest, TheCommandDeadlineRunsFromTheFirstOctet) {
  envelope();
  raw("N");
  EXPECT_EQ(session().deadline(), now + options.command_deadline);
  now += Seconds(30);
  raw("OO");
  EXPECT_EQ(session().deadline(), now + options.command_deadline - Seconds(30));
  raw("P\r\n");
  EXPECT_EQ(session().deadline(), now + options.idle_timeout);
}

TEST_F(ServerSessionTest, TheDataDeadlineAbortsTheText) {
  options.data_deadline = Seconds(200);
  options.data_rate_min = 0;
  envelope();
  client("DATA");
  client("x");
  EXPECT_EQ(advance(Seconds(200)).substr(0, 3), "421");
  EXPECT_EQ(aborted_or_committed, "aborted");
  EXPECT_EQ(close_reason, "data_timeout");
}

TEST_F(ServerSessionTest, ATextMustKeepItsRate) {
  options.data_rate_min = 10;
  options.data_rate_window = Seconds(60);
  envelope();
  client("DATA");
  EXPECT_EQ(session().deadline(), now + Seconds(60));
  client(std::string(598, 'x'));  // with its end 600 octets
  EXPECT_EQ(advance(Seconds(60)), "");
  EXPECT_EQ(session().deadline(), now + Seconds(60));
  client(std::string(597, 'x'));
  EXPECT_EQ(advance(Seconds(60)).substr(0, 3), "421");
  EXPECT_EQ(close_reason, "data_rate");
  EXPECT_EQ(aborted_or_committed, "aborted");
}

TEST_F(ServerSessionTest, NoDeadlineRunsWhileTheAdapterDoesNotRead) {
  options.data_deadline = Seconds(200);
  options.data_rate_min = 10;
  options.data_rate_window = Seconds(60);
  envelope();
  client("DATA");
  now += Seconds(50);
  session().hold(true, now);
  session().hold(true, now);
  EXPECT_EQ(session().deadline(), TimePoint::max());
  EXPECT_EQ(advance(std::chrono::hours(5)), "");
  session().hold(false, now);
  session().hold(false, now);
  EXPECT_EQ(session().deadline(), now + Seconds(10));
  client(std::string(598, 'x'));
  EXPECT_EQ(advance(Seconds(10)), "");
  client(std::string(598, 'x'));
  EXPECT_EQ(advance(Seconds(60)), "");
  client(std::string(598, 'x'));
  EXPECT_EQ(advance(Seconds(60)), "");
  EXPECT_EQ(session().deadline(), now + Seconds(20));  // of the text as a whole
  EXPECT_EQ(advance(Seconds(20)).substr(0, 3), "421");
  EXPECT_EQ(close_reason, "data_timeout");
}

TEST_F(ServerSessionTest, NoRateIsAskedForWhileACommitIsAwaited) {
  options.data_rate_min = 10;
  envelope();
  client("DATA");
  answers = false;
  client(".");
  EXPECT_EQ(session().deadline(), TimePoint::max());
  answer({250, {2, 0, 0}, "Ok"});
  EXPECT_EQ(session().deadline(), now + options.idle_timeout);
}

TEST_F(ServerSessionTest, ShutDownWaitsForAPendingCommit) {
  envelope();
  answers = false;
  raw("DATA\r\nx\r\n.\r\nNOOP\r\n");
  EXPECT_TRUE(session().awaiting_commit());
  session().shut_down(now);
  drain();
  EXPECT_FALSE(closed());
  EXPECT_EQ(answer(kYes), "250 2.0.0 Ok\r\n421 4.3.2 Shutting down; try again\r\n");
  EXPECT_EQ(close_reason, "shutdown");
}

TEST_F(ServerSessionTest, APeerThatClosedOnlyItsHalfStillHearsOfItsMessage) {
  envelope();
  answers = false;
  raw("DATA\r\nx\r\n.\r\n");
  session().end_of_input(now);
  drain();
  EXPECT_FALSE(closed());
  EXPECT_FALSE(session().wants_input());
  EXPECT_EQ(answer(kYes), "250 2.0.0 Ok\r\n");
  EXPECT_EQ(close_reason, "peer_closed");
}

TEST_F(ServerSessionTest, AnswersThatComeTooLateAreIgnored) {
  hello();
  answers = false;
  client("MAIL FROM:<a@b.test>");
  session().end_of_input(now);
  drain();
  EXPECT_EQ(close_reason, "peer_closed");
  EXPECT_EQ(answer(kYes), "");
}

TEST_F(ServerSessionTest, AnAnswer421Closes) {
  hello();
  answers = false;
  client("MAIL FROM:<a@b.test>");
  EXPECT_EQ(answer({421, {4, 3, 0}, "Not now"}), "421 4.3.0 Not now\r\n");
  EXPECT_TRUE(closed());
}

TEST_F(ServerSessionTest, EnvelopeAndRecipientsStandUntilTheCommitIsAnswered) {
  envelope();
  client("RCPT TO:<e@f.test> NOTIFY=NEVER");
  answers = false;
  raw("DATA\r\nx\r\n.\r\n");
  EXPECT_EQ(session().envelope().sender.to_string(), "a@b.test");
  ASSERT_EQ(session().recipients().size(), 2U);
  EXPECT_EQ(session().recipients()[1].notify, message::kNotifyNever);
  answer(kYes);
  EXPECT_TRUE(session().recipients().empty());
}

TEST_F(ServerSessionTest, RefusedRecipientsAreNotAmongThem) {
  hello();
  client("MAIL FROM:<a@b.test>");
  answers = false;
  client("RCPT TO:<no@d.test>");
  answer({550, {5, 1, 1}, "No"});
  EXPECT_TRUE(session().recipients().empty());
  EXPECT_THAT(refusals, ElementsAre("recipient_refused 550"));
}

TEST_F(ServerSessionTest, ProtocolNames) {
  client("HELO c.test");
  EXPECT_EQ(session().protocol(), "SMTP");
  hello();
  EXPECT_EQ(session().protocol(), "ESMTP");
  client("MAIL FROM:<a@b.test> SMTPUTF8");
  EXPECT_EQ(session().protocol(), "UTF8SMTP");
}

TEST_F(ServerSessionTest, ProtocolNamesInsideTls) {
  options.mode = ListenerMode::kSubmissions;
  hello();
  EXPECT_EQ(session().protocol(), "ESMTPS");
  log_in();
  EXPECT_EQ(session().protocol(), "ESMTPSA");
  client("MAIL FROM:<a@b.test> SMTPUTF8");
  EXPECT_EQ(session().protocol(), "UTF8SMTPSA");
  EXPECT_EQ(session().envelope().user, "alice");
}

TEST_F(ServerSessionTest, NothingComesAfterClose) {
  client("QUIT");
  EXPECT_EQ(close_reason, "quit");
  EXPECT_EQ(client("NOOP"), "");
  EXPECT_EQ(advance(std::chrono::hours(9)), "");
  session().shut_down(now);
  session().end_of_input(now);
  EXPECT_FALSE(session().next().has_value());
  EXPECT_EQ(session().deadline(), TimePoint::max());
}

}  // namespace
}  // namespace postrider::smtp
