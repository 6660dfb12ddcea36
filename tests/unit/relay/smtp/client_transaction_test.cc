#include <gmock/gmock.h>

#include "tests/unit/relay/smtp/client_fixture.h"

namespace postrider::smtp {
namespace {

using testing::HasSubstr;
using testing::Not;

using ClientTransactionTest = ClientFixture;

TEST_F(ClientTransactionTest, PipelinedWhereOffered) {
  hello("PIPELINING");
  EXPECT_EQ(send({"1", "2"}),
            "MAIL FROM:<a@b.test>\r\nRCPT TO:<1@d.test>\r\nRCPT TO:<2@d.test>\r\nDATA\r\n");
  EXPECT_EQ(raw("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n"), "x\r\n.\r\n");
  server("250 2.0.0 done");
  EXPECT_EQ(result(0), "250 at end-of-data");
  EXPECT_EQ(result(1), "550 at recipient");
  EXPECT_TRUE(ready);
  EXPECT_EQ(session().transactions(), 1U);
}

TEST_F(ClientTransactionTest, OneByOneElsewhere) {
  hello();
  EXPECT_EQ(send({"1"}), "MAIL FROM:<a@b.test>\r\n");
  EXPECT_EQ(server("250 ok"), "RCPT TO:<1@d.test>\r\n");
  EXPECT_EQ(server("250 ok"), "DATA\r\n");
  EXPECT_EQ(server("354 go"), "x\r\n.\r\n");
  server("250 ok");
  EXPECT_EQ(result(0), "250 at end-of-data");
}

TEST_F(ClientTransactionTest, TheBodyIsSentFromItsOwnBytes) {
  hello("PIPELINING");
  const std::string text(5000, 'x');
  send({"1"}, text + "\r\n");
  raw("250 ok\r\n250 ok\r\n354 go\r\n");
  ASSERT_EQ(chunks.size(), 2U);
  EXPECT_EQ(chunks[0].size(), 5002U);
  EXPECT_EQ(chunks[1].view(), ".\r\n");
}

TEST_F(ClientTransactionTest, AllRecipientsRefusedAndDataAccepted) {
  hello("PIPELINING");
  send({"1"}, "secret\r\n");
  EXPECT_EQ(raw("250 ok\r\n550 no\r\n354 go\r\n"), ".\r\n");
  server("250 ok");
  EXPECT_EQ(result(0), "550 at recipient");
  EXPECT_EQ(send({"2"}).substr(0, 4), "MAIL");  // the dot ended the transaction there
}

TEST_F(ClientTransactionTest, RsetOnlyAfterATransactionThatWasBrokenOff) {
  hello();
  send({"1"});
  server("250 ok");
  server("550 no");
  EXPECT_TRUE(ready);
  EXPECT_EQ(send({"2"}), "RSET\r\n");
  EXPECT_EQ(server("250 ok"), "MAIL FROM:<a@b.test>\r\n");
  server("550 no");
  EXPECT_EQ(result(0), "550 at mail");
  EXPECT_EQ(send({"3"}), "MAIL FROM:<a@b.test>\r\n");
}

TEST_F(ClientTransactionTest, LocalRefusalsSendNothing) {
  hello("SIZE 10");
  EXPECT_EQ(send({"1"}, "0123456789\r\n"), "");
  EXPECT_EQ(result(0), "552 at mail");
  EXPECT_EQ(send({"1"}, "\xe4\r\n"), "");
  EXPECT_EQ(done->results[0].status.enhanced.to_string(), "5.6.3");
  envelope.smtputf8 = true;
  EXPECT_EQ(send({"1"}), "");
  EXPECT_EQ(done->results[0].status.enhanced.to_string(), "5.6.7");
  envelope.smtputf8 = false;
  EXPECT_EQ(send({"1"}, "a\nb\r\n"), "");
  EXPECT_EQ(done->results[0].status.enhanced.to_string(), "5.6.0");
  EXPECT_TRUE(ready);
}

TEST_F(ClientTransactionTest, TheTextDecidesWhetherEightBitMimeIsNeeded) {
  hello("PIPELINING");
  envelope.eight_bit = true;
  EXPECT_EQ(send({"1"}, "plain\r\n"), "MAIL FROM:<a@b.test>\r\nRCPT TO:<1@d.test>\r\nDATA\r\n");
}

// RFC 6152 section 3: also of a text whose own client did not say so.
TEST_F(ClientTransactionTest, EightBitTextIsNamedWhereTheServerKnowsIt) {
  hello("PIPELINING\n8BITMIME");
  EXPECT_EQ(send({"1"}, "\xe4\r\n"),
            "MAIL FROM:<a@b.test> BODY=8BITMIME\r\nRCPT TO:<1@d.test>\r\nDATA\r\n");
}

TEST_F(ClientTransactionTest, PlainTextIsNotNamedUnlessItsClientDid) {
  hello("PIPELINING\n8BITMIME");
  EXPECT_EQ(send({"1"}, "plain\r\n"), "MAIL FROM:<a@b.test>\r\nRCPT TO:<1@d.test>\r\nDATA\r\n");
}

TEST_F(ClientTransactionTest, DamagedAddressesNeverBecomeCommands) {
  hello("PIPELINING");
  EXPECT_EQ(send({"x>\r\nRCPT TO:<y"}), "");
  EXPECT_EQ(result(0), "553 at recipient");
  envelope.sender = {"x>\r\nDATA\r\n", "b.test"};
  EXPECT_EQ(send({"1"}), "");
  EXPECT_EQ(result(0), "553 at mail");
}

TEST_F(ClientTransactionTest, DamagedParametersAreLeftOut) {
  hello("DSN");
  envelope.envelope_id = "x\r\nDATA";
  EXPECT_EQ(send({"1"}), "MAIL FROM:<a@b.test>\r\n");
}

TEST_F(ClientTransactionTest, LossBehindTheDotIsMarked) {
  hello("PIPELINING");
  send({"1", "2"});
  raw("250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n");
  session().connection_lost("reset by peer", now);
  drain();
  EXPECT_EQ(result(0), "0 at end-of-data");
  EXPECT_EQ(result(1), "550 at recipient");
  EXPECT_TRUE(done->final_reply_lost);
  EXPECT_FALSE(done->untouched);
}

TEST_F(ClientTransactionTest, LossBeforeAnyAnswerIsUntouched) {
  hello("PIPELINING");
  send({"1"});
  session().connection_lost("reset by peer", now);
  drain();
  EXPECT_TRUE(done->untouched);
  EXPECT_FALSE(done->final_reply_lost);
}

TEST_F(ClientTransactionTest, A421InPlaceOfTheFirstAnswer) {
  hello("PIPELINING");
  send({"1"});
  server("421 4.3.2 closing");
  EXPECT_FALSE(done->untouched);  // a fresh connection: that is the destination speaking
  EXPECT_EQ(result(0), "421 at mail");
  EXPECT_EQ(ended->status.code, 421);
}

class ClientPiecesTest : public ClientFixture {
 protected:
  // Up to the 354, or by BDAT the last recipient.
  void open(const std::string& keywords = "PIPELINING\n8BITMIME\nSIZE",
            const std::vector<std::string>& pieces = {".a\r\n", "b\r\n", ".c\r\n"}) {
    hello(keywords);
    said_ = send_in_pieces({"one"}, pieces);
    server("250 ok");
    server("250 ok");
    if (!options.chunking) server("354 go on");
  }

  std::string said_;
};

TEST_F(ClientPiecesTest, EachIsAskedForWhenTheOneBeforeIsSent) {
  open();
  EXPECT_EQ(said_, "MAIL FROM:<a@b.test> SIZE=11\r\nRCPT TO:<one@d.test>\r\nDATA\r\n");
  EXPECT_TRUE(text_asked);
  reports_sent = false;
  EXPECT_EQ(piece(".a\r\n"), "..a\r\n");
  EXPECT_FALSE(text_asked);
  session().sent(now);
  drain();
  EXPECT_TRUE(text_asked);
  reports_sent = true;
  EXPECT_EQ(piece("b\r\n"), "b\r\n");
  EXPECT_EQ(piece(".c\r\n"), "..c\r\n.\r\n");
  EXPECT_FALSE(text_asked);
  server("250 thanks");
  EXPECT_EQ(result(0), "250 at end-of-data");
  EXPECT_TRUE(ready);
}

TEST_F(ClientPiecesTest, ByBdatTheyAreOneChunk) {
  options.chunking = true;
  open("PIPELINING\nCHUNKING", {".a\r\n", "b"});
  EXPECT_EQ(piece(".a\r\n"), "BDAT 7 LAST\r\n.a\r\n");
  EXPECT_EQ(piece("b"), "b\r\n");
  server("250 thanks");
  EXPECT_EQ(result(0), "250 at end-of-data");
}

TEST_F(ClientPiecesTest, OneThatCannotBeHadEndsTheSessionWithoutTheDot) {
  open();
  EXPECT_EQ(piece(".a\r\n"), "..a\r\n");
  said.clear();
  session().text_failed("the disk is gone", now);
  drain();
  EXPECT_EQ(said, "");
  EXPECT_EQ(result(0), "451 at end-of-data");
  EXPECT_FALSE(done->final_reply_lost);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->status.text, "the disk is gone");
}

TEST_F(ClientPiecesTest, SoDoesATextThatHasChanged) {
  open();
  EXPECT_EQ(piece("a\n\r\n"), "");
  EXPECT_EQ(result(0), "451 at end-of-data");
  EXPECT_TRUE(ended);
}

TEST_F(ClientPiecesTest, ARefusalWithinTheTextStandsAndEndsTheSession) {
  open();
  piece(".a\r\n");
  server("552 too much");
  EXPECT_EQ(result(0), "552 at end-of-data");
  EXPECT_TRUE(ended);
  EXPECT_EQ(piece("b\r\n"), "");  // was on its way
}

TEST_F(ClientPiecesTest, AnAcceptanceWithinTheTextIsNone) {
  open();
  piece(".a\r\n");
  server("250 thanks");
  EXPECT_EQ(result(0), "0 at end-of-data");
  EXPECT_TRUE(ended);
}

TEST_F(ClientPiecesTest, ALossWithinTheTextIsNoLossBehindTheDot) {
  open();
  piece(".a\r\n");
  session().connection_lost("closed", now);
  drain();
  EXPECT_FALSE(done->final_reply_lost);
}

TEST_F(ClientPiecesTest, TheWholeTextHasItsTime) {
  open();
  advance(options.timeouts.text - Seconds(1));
  EXPECT_FALSE(ended);
  piece(".a\r\n");
  advance(Seconds(1));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->status.text, "timed out sending the message text");
}

TEST_F(ClientPiecesTest, NobodyIsAskedWhereNobodyIsToGetIt) {
  hello("PIPELINING");
  send_in_pieces({"one"}, {"a\r\n"});
  server("250 ok");
  server("550 unknown");
  EXPECT_EQ(server("354 go on"), ".\r\n");
  EXPECT_FALSE(text_asked);
}

TEST_F(ClientPiecesTest, WhatIsKnownOfTheTextDecidesBeforeItIsSent) {
  hello("PIPELINING\nSIZE 5");
  EXPECT_EQ(send_in_pieces({"one"}, {"abc\r\n", "d\r\n"}), "");
  EXPECT_EQ(result(0), "552 at mail");
  EXPECT_EQ(send_in_pieces({"one"}, {"\xc3\r\n"}), "");
  EXPECT_EQ(result(0), "554 at mail");
  EXPECT_EQ(send_in_pieces({"one"}, {"a\n"}), "");
  EXPECT_EQ(result(0), "554 at mail");
}

TEST_F(ClientTransactionTest, AThousandRecipients) {
  hello("PIPELINING");
  std::vector<std::string> recipients;
  std::string replies = "250 ok\r\n";
  for (int i = 0; i < 1000; ++i) {
    recipients.push_back("r" + std::to_string(i));
    replies += i % 2 == 0 ? "250 ok\r\n" : "550 no\r\n";
  }
  send(recipients);
  raw(replies + "354 go\r\n");
  server("250 done");
  for (std::size_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(result(i), i % 2 == 0 ? "250 at end-of-data" : "550 at recipient");
  }
}

TEST_F(ClientTransactionTest, ThePriorityIsPassedOnWhereItIsKnown) {
  envelope.priority = -7;
  hello("MT-PRIORITY");
  EXPECT_EQ(send({"1"}), "MAIL FROM:<a@b.test> MT-PRIORITY=-7\r\n");
}

TEST_F(ClientTransactionTest, TheDefaultPriorityIsPassedOnToo) {
  hello("MT-PRIORITY MIXER");
  EXPECT_EQ(send({"1"}), "MAIL FROM:<a@b.test> MT-PRIORITY=0\r\n");
}

TEST_F(ClientTransactionTest, APriorityThatTheServerDoesNotKnowIsLeftOut) {
  envelope.priority = 9;
  hello();
  EXPECT_EQ(send({"1"}), "MAIL FROM:<a@b.test>\r\n");
}

// What is said when is in tests/dialogs/client_lmtp.smtp.
class ClientLmtpTest : public ClientFixture {
 protected:
  ClientLmtpTest() { options.protocol = Protocol::kLmtp; }
};

TEST_F(ClientLmtpTest, EachRecipientHasItsOwnReply) {
  hello("PIPELINING");
  send({"1", "2", "3"});
  EXPECT_EQ(raw("250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n"), "x\r\n.\r\n");
  server("250 saved");
  EXPECT_FALSE(done);
  server("452 full");
  EXPECT_EQ(result(0), "250 at end-of-data");
  EXPECT_EQ(result(1), "550 at recipient");
  EXPECT_EQ(result(2), "452 at end-of-data");
  EXPECT_TRUE(ready);
}

TEST_F(ClientLmtpTest, TheFirstReplyMayComeEarly) {
  hello("PIPELINING");
  send({"1", "2"});
  reports_sent = false;
  raw("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  server("452 full");
  session().sent(now);
  server("250 saved");
  EXPECT_EQ(result(0), "452 at end-of-data");
  EXPECT_EQ(result(1), "250 at end-of-data");
  EXPECT_TRUE(ready);
  EXPECT_FALSE(ended);
}

TEST_F(ClientLmtpTest, TheFirstReplyMayComeBeforeTheLastPiece) {
  hello("PIPELINING");
  send_in_pieces({"1", "2"}, {"a\r\n", "b\r\n"});
  raw("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  piece("a\r\n");
  server("452 full");
  EXPECT_EQ(piece("b\r\n"), "b\r\n.\r\n");
  EXPECT_LE(session().deadline(), now + options.timeouts.end_of_data + Seconds(2));
  server("250 saved");
  EXPECT_EQ(result(0), "452 at end-of-data");
  EXPECT_EQ(result(1), "250 at end-of-data");
  EXPECT_TRUE(ready);
}

TEST_F(ClientLmtpTest, ReplyTimeIsThatOfOneAndTwoSecondsForEachBefore) {
  hello("PIPELINING");
  send({"1", "2", "3"});
  raw("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  EXPECT_EQ(session().deadline(), now + options.timeouts.end_of_data);
  raw("250 saved\r\n250 saved\r\n");
  EXPECT_EQ(session().deadline(), now + options.timeouts.end_of_data + Seconds(4));
}

}  // namespace
}  // namespace postrider::smtp
