#include <gmock/gmock.h>

#include "tests/unit/relay/smtp/client_fixture.h"

namespace postrider::smtp {
namespace {

using message::Stage;
using testing::HasSubstr;

using ClientHelloTest = ClientFixture;

TEST_F(ClientHelloTest, RemembersThePeersNameIfItIsOne) {
  server("220 mx.test ready");
  EXPECT_EQ(session().peer_name(), "mx.test");
}

TEST_F(ClientHelloTest, APeersNameIsPrintableOrNothing) {
  server("220 \x1b[31mred ready");
  EXPECT_EQ(session().peer_name(), "");
}

TEST_F(ClientHelloTest, KnowsWhatIsOffered) {
  hello("PIPELINING\nSIZE 1000\nSTARTTLS");
  EXPECT_TRUE(session().capabilities().pipelining);
  EXPECT_EQ(session().capabilities().size_max, 1000U);
}

TEST_F(ClientHelloTest, HeloWhereEhloIsUnknown) {
  server("220 mx.test");
  EXPECT_EQ(server("502 5.5.1 what"), "HELO relay.test\r\n");
  server("250 mx.test");
  EXPECT_TRUE(ready);
  EXPECT_FALSE(session().capabilities().pipelining);
}

TEST_F(ClientHelloTest, NoHeloForATemporaryRefusal) {
  server("220 mx.test");
  EXPECT_EQ(server("450 later"), "");
  EXPECT_EQ(ended->stage, Stage::kHello);
  EXPECT_EQ(ended->status.code, 450);
}

TEST_F(ClientHelloTest, TlsForgetsWhatWasOfferedBefore) {
  options.start_tls = StartTlsUse::kRequired;
  server("220 mx.test");
  EXPECT_EQ(raw("250-mx.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n"), "STARTTLS\r\n");
  raw("220 go\r\n250-mx.test\r\n250 DSN\r\n");
  ASSERT_TRUE(tls_wanted);
  EXPECT_FALSE(ready);
  said.clear();
  session().tls_established({"TLSv1.3", "x"}, now);
  drain();
  EXPECT_EQ(said, "EHLO relay.test\r\n");
  server("250 mx.test");
  EXPECT_TRUE(ready);
  EXPECT_FALSE(session().capabilities().pipelining);
  EXPECT_FALSE(session().capabilities().dsn);
  EXPECT_EQ(session().tls()->version, "TLSv1.3");
}

TEST_F(ClientHelloTest, AConnectionThatBeganWithTlsNeedsNoMore) {
  options.start_tls = StartTlsUse::kRequired;
  tls = TlsFacts{"TLSv1.3", "x"};
  server("220 mx.test");
  EXPECT_EQ(raw("250-mx.test\r\n250 STARTTLS\r\n"), "");
  EXPECT_TRUE(ready);
}

TEST_F(ClientHelloTest, RequiredTlsIsNotDoneWithout) {
  options.start_tls = StartTlsUse::kRequired;
  server("220 mx.test");
  EXPECT_EQ(server("250 mx.test"), "QUIT\r\n");
  EXPECT_EQ(ended->stage, Stage::kStartTls);
  EXPECT_EQ(ended->status.code, 0);
  EXPECT_FALSE(ready);
}

TEST_F(ClientHelloTest, AFailedHandshakeEndsTheSession) {
  options.start_tls = StartTlsUse::kIfOffered;
  server("220 mx.test");
  raw("250-mx.test\r\n250 STARTTLS\r\n");
  server("220 go");
  EXPECT_EQ(session().deadline(), now + Seconds(120));
  session().tls_failed("bad certificate", now);
  drain();
  EXPECT_EQ(ended->stage, Stage::kHandshake);
  EXPECT_EQ(ended->status.text, "bad certificate");
}

TEST_F(ClientHelloTest, AReplyThatMakesNoSenseIsNoSuccess) {
  server("354 what");
  EXPECT_EQ(ended->status.code, 0);
  EXPECT_THAT(ended->status.text, HasSubstr("unexpected reply to the greeting: 354 what"));
}

}  // namespace
}  // namespace postrider::smtp
