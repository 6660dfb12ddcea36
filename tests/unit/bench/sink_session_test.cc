#include "bench/sim/sink_session.h"

#include <gmock/gmock.h>

namespace postrider::bench {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using After = SinkOutput::After;

class SinkSessionTest : public testing::Test {
 protected:
  void rules(std::string_view text) {
    board_ = std::make_unique<RuleBoard>(*RuleBook::build(*parse_rule_text(text, "test")));
    log_ = *MessageLog::open({}, statistics_);
    world_.emplace(SinkWorld{RuleBoard::Reader(*board_), statistics_, *log_, greylist_, 10'000});
    reconnect();
  }

  // A new connection; the greeting is in `said`.
  void reconnect(std::uint64_t open_here = 1) {
    session_.emplace(*world_, *IpAddress::parse("127.0.0.2"), 7);
    session_->begin(open_here);
    take();
  }

  // Sends text and returns the replies to it.
  std::string client(std::string_view text) {
    session_->receive(text, now_);
    return take();
  }

  std::string take() {
    said.clear();
    last = {};
    while (auto output = session_->next()) {
      said += output->bytes;
      last = *std::move(output);
    }
    return said;
  }

  std::string envelope(const std::string& recipient = "u@a.test") {
    return client("EHLO c\r\nMAIL FROM:<s@x.test>\r\nRCPT TO:<" + recipient + ">\r\nDATA\r\n");
  }

  std::string message(const std::string& recipient = "u@a.test") {
    envelope(recipient);
    return client("Subject: x\r\n\r\n..text\r\n.\r\n");
  }

  std::string said;
  SinkOutput last;
  TimePoint now_{};
  Statistics statistics_;
  Greylist greylist_;
  std::unique_ptr<RuleBoard> board_;
  std::unique_ptr<MessageLog> log_;
  std::optional<SinkWorld> world_;
  std::optional<SinkSession> session_;
};

TEST_F(SinkSessionTest, TakesAMessage) {
  rules("a.test mx=127.0.0.2");
  EXPECT_THAT(said, StartsWith("220 mx1.a.test"));
  EXPECT_THAT(envelope(), EndsWith("354 go ahead\r\n"));
  EXPECT_THAT(client("x\r\n..y\r\n.\r\nQUIT\r\n"), HasSubstr("250 2.0.0 ok"));
  EXPECT_EQ(last.after, After::kClose);
  EXPECT_EQ(statistics_.messages, 1U);
  EXPECT_EQ(statistics_.bytes, 7U);
}

TEST_F(SinkSessionTest, OffersWhatItCan) {
  rules("a.test mx=127.0.0.2");
  const std::string offer = client("EHLO c\r\n");
  for (const char* keyword : {"PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 10000",
                              "ENHANCEDSTATUSCODES", "STARTTLS"}) {
    EXPECT_THAT(offer, HasSubstr(keyword));
  }
  EXPECT_THAT(offer, Not(HasSubstr("CHUNKING")));
}

TEST_F(SinkSessionTest, AnySplitIsTheSame) {
  rules("a.test mx=127.0.0.2");
  const std::string dialogue =
      "EHLO c\r\nMAIL FROM:<s@x>\r\nRCPT TO:<u@a.test>\r\nDATA\r\nx\r\n.\r\nNOOP\r\nQUIT\r\n";
  const std::string whole = client(dialogue);
  reconnect();
  std::string bytewise;
  for (const char c : dialogue) bytewise += client({&c, 1});
  EXPECT_EQ(bytewise.size(), whole.size());
}

TEST_F(SinkSessionTest, KeepsTheOrderOfCommands) {
  rules("a.test mx=127.0.0.2");
  EXPECT_THAT(client("MAIL FROM:<a@b>\r\n"), StartsWith("503"));
  client("EHLO c\r\n");
  EXPECT_THAT(client("RCPT TO:<u@a.test>\r\n"), StartsWith("503"));
  EXPECT_THAT(client("DATA\r\n"), StartsWith("503"));
  EXPECT_THAT(client("MAIL TO:<a@b>\r\n"), StartsWith("501"));
  EXPECT_THAT(client("FOO\r\n"), StartsWith("502"));
  EXPECT_THAT(client("NOOP\n"), StartsWith("500"));
  client("MAIL FROM:<>\r\n");
  EXPECT_THAT(client("MAIL FROM:<>\r\n"), StartsWith("503"));
  EXPECT_THAT(client("DATA\r\n"), StartsWith("554"));
  EXPECT_THAT(client("RSET\r\nMAIL FROM:<>\r\n"), StartsWith("250"));
}

TEST_F(SinkSessionTest, RefusesForeignDomains) {
  rules("a.test mx=127.0.0.2");
  EXPECT_THAT(envelope("u@b.test"), HasSubstr("550 5.7.1"));
}

TEST_F(SinkSessionTest, PathsMayBeQuoted) {
  rules("a.test mx=127.0.0.2");
  EXPECT_THAT(envelope("\"a> b\"@a.test"), EndsWith("354 go ahead\r\n"));
}

TEST_F(SinkSessionTest, StepsGoByTheRecipientsDomain) {
  rules("a.test mx=127.0.0.2\nb.test mx=127.0.0.2 rcpt=450_4.2.1_busy\nc.test dot=552");
  EXPECT_THAT(envelope("u@b.test"), HasSubstr("450 4.2.1 busy\r\n"));
  reconnect();
  EXPECT_THAT(message("u@c.test"), StartsWith("552"));
  reconnect();
  EXPECT_THAT(message("u@a.test"), StartsWith("250"));
  EXPECT_EQ(statistics_.messages, 1U);
  EXPECT_EQ(statistics_.faults, 2U);
}

TEST_F(SinkSessionTest, GreetingAndEhloGoByTheAddress) {
  rules("a.test mx=127.0.0.2 greeting=554_go_away");
  EXPECT_EQ(said, "554 go away\r\n");
  EXPECT_EQ(last.after, After::kClose);
  rules("a.test mx=127.0.0.2 ehlo=502");
  EXPECT_THAT(client("EHLO c\r\n"), StartsWith("502"));
  EXPECT_THAT(client("HELO c\r\nMAIL FROM:<>\r\n"), HasSubstr("250 2.1.0"));
}

TEST_F(SinkSessionTest, EveryActHasItsEnd) {
  const auto after_dot = [&](const std::string& act) {
    rules("a.test mx=127.0.0.2 dot=" + act);
    message();
    return last.after;
  };
  EXPECT_EQ(after_dot("hang"), After::kHang);
  EXPECT_EQ(after_dot("close"), After::kClose);
  EXPECT_EQ(after_dot("reset"), After::kReset);
  EXPECT_EQ(after_dot("421"), After::kClose);
  EXPECT_EQ(after_dot("endless"), After::kEndless);
  EXPECT_THAT(last.bytes, StartsWith("250-"));
  EXPECT_EQ(after_dot("longline"), After::kEndless);
  EXPECT_THAT(last.bytes, Not(HasSubstr("\n")));
  EXPECT_EQ(after_dot("garbage"), After::kNothing);
  EXPECT_EQ(statistics_.messages, 0U);
  EXPECT_EQ(after_dot("drip"), After::kNothing);
  EXPECT_TRUE(last.drip);
  EXPECT_EQ(after_dot("closeafter"), After::kClose);
  EXPECT_THAT(said, StartsWith("250"));
  EXPECT_EQ(after_dot("losereply"), After::kClose);
  EXPECT_EQ(said, "");
  EXPECT_EQ(statistics_.messages, 3U);
}

TEST_F(SinkSessionTest, RsetAndQuitHaveActsToo) {
  rules("a.test mx=127.0.0.2 rset=451 quit=hang");
  EXPECT_THAT(client("RSET\r\n"), StartsWith("451"));
  EXPECT_EQ(client("QUIT\r\n"), "");
  EXPECT_EQ(last.after, After::kHang);
  rules("a.test mx=127.0.0.2 quit=500");
  EXPECT_THAT(client("QUIT\r\n"), StartsWith("500"));
  EXPECT_EQ(last.after, After::kClose);
}

TEST_F(SinkSessionTest, LocalPartsChooseReplies) {
  rules("a.test mx=127.0.0.2");
  EXPECT_THAT(envelope("reject-550@a.test"), HasSubstr("\r\n550 5.0.0"));
  reconnect();
  EXPECT_THAT(envelope("defer-451.me@a.test"), HasSubstr("\r\n451 4.0.0"));
  for (const char* local : {"reject-451", "defer-55", "reject-5500", "reject-"}) {
    reconnect();
    EXPECT_THAT(envelope(std::string(local) + "@a.test"), EndsWith("354 go ahead\r\n")) << local;
  }
}

TEST_F(SinkSessionTest, GreylistingPassesLater) {
  rules("a.test mx=127.0.0.2 greylist=5s");
  EXPECT_THAT(envelope(), HasSubstr("450 4.2.0"));
  now_ += Seconds(4);
  reconnect();
  EXPECT_THAT(envelope(), HasSubstr("450 4.2.0"));
  now_ += Seconds(1);
  reconnect();
  EXPECT_THAT(message(), StartsWith("250"));
}

TEST_F(SinkSessionTest, CapsOfConnections) {
  rules("a.test mx=127.0.0.2 messages-per-connection=1 connections=2");
  message();
  EXPECT_THAT(client("MAIL FROM:<>\r\n"), StartsWith("421"));
  EXPECT_EQ(last.after, After::kClose);
  reconnect(2);
  EXPECT_THAT(said, StartsWith("220"));
  reconnect(3);
  EXPECT_THAT(said, StartsWith("421"));
  EXPECT_EQ(last.after, After::kClose);
}

TEST_F(SinkSessionTest, SizesAreKept) {
  rules("a.test mx=127.0.0.2");
  client("EHLO c\r\n");
  EXPECT_THAT(client("MAIL FROM:<> SIZE=10001\r\n"), StartsWith("552"));
  envelope();
  EXPECT_THAT(client(std::string(10'000, 'x') + "\r\n.\r\n"), StartsWith("552"));
  EXPECT_EQ(statistics_.messages, 0U);
}

TEST_F(SinkSessionTest, StartTlsDropsWhatFollows) {
  rules("a.test mx=127.0.0.2 tls=required");
  client("EHLO c\r\n");
  EXPECT_THAT(client("MAIL FROM:<>\r\n"), StartsWith("530"));
  EXPECT_EQ(client("STARTTLS\r\nNOOP\r\n"), "220 2.0.0 ready for TLS\r\n");
  EXPECT_EQ(last.after, After::kStartTls);
  session_->tls_established({"TLSv1.3", "cipher", false});
  EXPECT_THAT(client("MAIL FROM:<>\r\n"), StartsWith("503"));
  EXPECT_THAT(client("EHLO c\r\n"), Not(HasSubstr("STARTTLS")));
  EXPECT_THAT(client("MAIL FROM:<>\r\n"), StartsWith("250"));
}

TEST_F(SinkSessionTest, TlsVariants) {
  rules("a.test mx=127.0.0.2 tls=off");
  EXPECT_THAT(client("EHLO c\r\n"), Not(HasSubstr("STARTTLS")));
  EXPECT_THAT(client("STARTTLS\r\n"), StartsWith("502"));
  rules("a.test mx=127.0.0.2 tls=broken");
  client("EHLO c\r\nSTARTTLS\r\n");
  EXPECT_EQ(last.after, After::kBreakTls);
  rules("a.test mx=127.0.0.2 starttls=454");
  EXPECT_THAT(client("EHLO c\r\nSTARTTLS\r\n"),
              EndsWith("454 4.0.0 refused for now by the simulation\r\n"));
  EXPECT_EQ(last.after, After::kNothing);
}

TEST_F(SinkSessionTest, AGroupOfRepliesIsDelayedOnce) {
  rules("a.test mx=127.0.0.2 delay=100ms");
  session_->receive("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<u@a.test>\r\nDATA\r\n", now_);
  const auto output = session_->next();
  EXPECT_EQ(output->delay, Milliseconds(100));
  EXPECT_THAT(output->bytes, EndsWith("354 go ahead\r\n"));
  EXPECT_FALSE(session_->next());
}

TEST_F(SinkSessionTest, RulesMayChangeWithinAConnection) {
  rules("a.test mx=127.0.0.2");
  EXPECT_THAT(message(), StartsWith("250"));
  ASSERT_TRUE(board_->set("a.test", {"dot=451_later"}));
  EXPECT_THAT(message(), StartsWith("451 later"));
}

TEST_F(SinkSessionTest, AnEndlessLineEndsTheConnection) {
  rules("a.test mx=127.0.0.2");
  EXPECT_EQ(client(std::string(60'000, 'x')), "");
  EXPECT_THAT(client(std::string(10'000, 'x')), StartsWith("500"));
  EXPECT_EQ(last.after, After::kClose);
}

}  // namespace
}  // namespace postrider::bench
