#include <gmock/gmock.h>

#include "tests/unit/relay/smtp/server_fixture.h"

namespace postrider::smtp {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

using ServerVerbsTest = ServerFixture;

TEST_F(ServerVerbsTest, EveryRefusalIsNamedAndCounted) {
  client("MAIL FROM:<a@b.test>");
  client("FOO");
  client("EHLO");
  hello();
  client("MAIL FROM:<a>");
  raw("NOOP\n\r\n");
  EXPECT_THAT(refusals, ElementsAre("sequence 503", "unknown_command 500", "syntax 501",
                                    "sender_syntax 553", "bare_lf 500", "bare_lf 500"));
}

TEST_F(ServerVerbsTest, TooManyErrors) {
  options.errors_max = 2;
  client("FOO");
  EXPECT_FALSE(closed());
  EXPECT_EQ(client("FOO"), "500 5.5.1 Command not recognized\r\n421 4.7.0 Too many errors\r\n");
  EXPECT_EQ(close_reason, "errors");
}

TEST_F(ServerVerbsTest, PardonsBehindARefusedMailAreBounded) {
  options.errors_max = 2;
  options.recipients_max = 3;
  hello();
  EXPECT_THAT(client("MAIL FROM:<a>"), StartsWith("553"));
  for (int i = 0; i < 5; ++i) client("RCPT TO:<c@d.test>");
  EXPECT_FALSE(closed());
  client("RCPT TO:<c@d.test>");
  client("RCPT TO:<c@d.test>");
  EXPECT_EQ(close_reason, "errors");
}

TEST_F(ServerVerbsTest, StartTlsForgetsWhatWasSaid) {
  hello();
  EXPECT_THAT(client("STARTTLS"), StartsWith("220 2.0.0"));
  EXPECT_EQ(asked, "tls");
  session().tls_established(kTls, now);
  EXPECT_EQ(session().helo(), "");
  EXPECT_EQ(session().tls()->version, "TLSv1.3");
  EXPECT_THAT(client("MAIL FROM:<a@b.test>"), StartsWith("503"));
}

TEST_F(ServerVerbsTest, PlaintextBehindStartTlsIsNeverActedOn) {
  hello();
  EXPECT_EQ(raw("STARTTLS\r\nMAIL FROM:<a@b.test>\r\n"), "554 5.5.0 Plaintext after STARTTLS\r\n");
  EXPECT_EQ(close_reason, "starttls_injection");
  EXPECT_NE(asked, "tls");
  EXPECT_NE(asked, "sender");
}

TEST_F(ServerVerbsTest, AHandshakeThatNeverEndsIsClosedWithoutAWord) {
  hello();
  client("STARTTLS");
  EXPECT_EQ(session().deadline(), now + options.command_deadline);
  EXPECT_EQ(advance(options.command_deadline), "");
  EXPECT_TRUE(closed());
}

TEST_F(ServerVerbsTest, TlsRecordsAndHttpAreDropped) {
  EXPECT_EQ(raw("\x16\x03\x01"), "");
  EXPECT_EQ(close_reason, "tls_on_plain_port");
  EXPECT_THAT(refusals, ElementsAre("tls_on_plain_port 421"));
}

TEST_F(ServerVerbsTest, PostmasterIsPassedOn) {
  hello();
  client("MAIL FROM:<>");
  EXPECT_TRUE(session().envelope().sender.is_null());
  client("RCPT TO:<POSTMASTER>");
  EXPECT_EQ(session().recipients().at(0).address.local, "postmaster");
  EXPECT_EQ(session().recipients().at(0).address.domain, "");
}

}  // namespace
}  // namespace postrider::smtp
