// Steps, time and endings. Greeting to Ready is in client_hello_test.cc, transactions are in
// client_transaction_test.cc, and tests/dialogs has whole conversations.
#include "relay/smtp/client_session.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/smtp/client_fixture.h"

namespace postrider::smtp {
namespace {

using message::Stage;
using testing::HasSubstr;

using ClientSessionTest = ClientFixture;

TEST_F(ClientSessionTest, DeadlinesAreAbsolute) {
  session();
  EXPECT_EQ(session().deadline(), now + Seconds(300));
  const TimePoint due = session().deadline();
  now += Seconds(100);
  raw("2");
  EXPECT_EQ(session().deadline(), due);
}

TEST_F(ClientSessionTest, NoDeadlineBetweenTransactions) {
  hello();
  EXPECT_EQ(session().deadline(), TimePoint::max());
}

TEST_F(ClientSessionTest, ThePipelinedGroupGetsALittleMoreForEachCommandAhead) {
  hello("PIPELINING");
  send({"1", "2"});
  const TimePoint sent = now;
  EXPECT_EQ(session().deadline(), sent + Seconds(300));
  now += Seconds(5);
  server("250 ok");
  EXPECT_EQ(session().deadline(), sent + Seconds(302));
  server("250 ok");
  EXPECT_EQ(session().deadline(), sent + Seconds(304));
}

TEST_F(ClientSessionTest, TheTimeOfAReplyRunsFromWhenTheLastByteWasSent) {
  hello();
  reports_sent = false;
  send({"1"});
  EXPECT_EQ(session().deadline(), now + Seconds(300));
  now += Seconds(200);
  session().sent(now);
  EXPECT_EQ(session().deadline(), now + Seconds(300));
}

TEST_F(ClientSessionTest, TheTextHasItsOwnTimeUntilItIsSent) {
  hello();
  send({"1"});
  server("250 ok");
  server("250 ok");
  reports_sent = false;
  server("354 go");
  EXPECT_EQ(session().deadline(), now + Seconds(1800));
  now += Seconds(1000);
  session().sent(now);
  EXPECT_EQ(session().deadline(), now + Seconds(600));
}

TEST_F(ClientSessionTest, TimeoutsSayWhatWasWaitedFor) {
  hello();
  send({"1"});
  server("250 ok");
  advance(Seconds(300));
  EXPECT_EQ(result(0), "0 at recipient");
  EXPECT_EQ(ended->status.text, "timed out waiting for the reply to RCPT");
  EXPECT_FALSE(done->untouched);
}

TEST_F(ClientSessionTest, Quit) {
  hello();
  said.clear();
  session().quit(now);
  drain();
  EXPECT_EQ(said, "QUIT\r\n");
  EXPECT_EQ(session().deadline(), now + Seconds(5));
  server("221 bye");
  EXPECT_TRUE(ended->orderly);
}

TEST_F(ClientSessionTest, ALostConnectionWhileIdleIsOrderly) {
  hello();
  session().connection_lost("closed", now);
  drain();
  EXPECT_TRUE(ended->orderly);
}

TEST_F(ClientSessionTest, NothingComesAfterTheEnd) {
  session().connection_lost("closed", now);
  drain();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->stage, Stage::kGreeting);
  ended.reset();
  raw("220 mx\r\n");
  advance(std::chrono::hours(1));
  session().connection_lost("again", now);
  session().tls_failed("x", now);
  drain();
  EXPECT_FALSE(ended.has_value());
  EXPECT_EQ(session().deadline(), TimePoint::max());
}

TEST_F(ClientSessionTest, AReadyThatNobodySawIsWithdrawnWhenTheSessionEnds) {
  server("220 mx.test");
  raw("250 mx.test\r\n250 surprise\r\n");
  EXPECT_FALSE(ready);
  EXPECT_THAT(ended->status.text, HasSubstr("reply to nothing"));
}

TEST_F(ClientSessionTest, ATransactionForASessionThatHasJustEndedIsUntouched) {
  hello();
  session().connection_lost("closed", now);
  send({"1"});
  EXPECT_TRUE(done->untouched);
  EXPECT_EQ(result(0), "0 at mail");
  EXPECT_TRUE(ended.has_value());
}

}  // namespace
}  // namespace postrider::smtp
