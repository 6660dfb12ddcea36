#include <gmock/gmock.h>

#include "tests/unit/relay/smtp/server_fixture.h"

namespace postrider::smtp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
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
  EXPECT_EQ(asked, "");
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

// What time it is for a session, and what it then does with HOLDFOR and HOLDUNTIL.
class FutureReleaseTest : public ServerFixture {
 protected:
  FutureReleaseTest() {
    options.mode = ListenerMode::kSubmissions;
    options.future_release_max = Seconds(3600);
    told = WallTime(Seconds(1795299303));  // 2026-11-21T22:15:03Z
  }
};

TEST_F(FutureReleaseTest, TellsHowFarAhead) {
  EXPECT_THAT(client("EHLO c.test"), HasSubstr("250-FUTURERELEASE 3600 2026-11-21T23:15:03Z\r\n"));
  now += Seconds(60);
  EXPECT_THAT(client("EHLO c.test"), HasSubstr("250-FUTURERELEASE 3600 2026-11-21T23:16:03Z\r\n"));
}

TEST_F(FutureReleaseTest, IsOfferedWhereItIsAllowed) {
  options.future_release_max = Seconds(0);
  EXPECT_THAT(client("EHLO c.test"), Not(HasSubstr("FUTURERELEASE")));
  client("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
  EXPECT_THAT(client("MAIL FROM:<a@b.test> HOLDFOR=1"), StartsWith("555 5.5.4 "));
}

TEST_F(FutureReleaseTest, IsNeverOfferedOnATrustedListenerNorToHelo) {
  options.mode = ListenerMode::kTrusted;
  EXPECT_THAT(client("EHLO c.test"), Not(HasSubstr("FUTURERELEASE")));
  EXPECT_THAT(client("MAIL FROM:<a@b.test> HOLDFOR=1"), StartsWith("555 5.5.4 "));
}

TEST_F(FutureReleaseTest, ARequestBehindHeloIsUnknown) {
  client("EHLO c.test");
  client("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
  client("HELO c.test");
  EXPECT_THAT(client("MAIL FROM:<a@b.test> HOLDFOR=1"), StartsWith("555 5.5.4 "));
}

TEST_F(FutureReleaseTest, AnIntervalBeginsAtTheEndOfTheText) {
  log_in();
  EXPECT_THAT(client("MAIL FROM:<a@b.test> HOLDFOR=3600"), StartsWith("250"));
  client("RCPT TO:<c@d.test>");
  client("DATA");
  now += Seconds(10);
  answers = false;
  client(".");
  EXPECT_EQ(asked, "commit");
  EXPECT_EQ(session().envelope().release, told + Seconds(3610));
  EXPECT_EQ(session().envelope().release_request, "for;3600");
  answers = true;
  answer(kYes);
  client("MAIL FROM:<a@b.test>");
  client("RCPT TO:<c@d.test>");
  client("DATA");
  answers = false;
  client(".");
  EXPECT_EQ(session().envelope().release, WallTime());
  EXPECT_EQ(session().envelope().release_request, "");
}

TEST_F(FutureReleaseTest, ADateTimeIsTakenAsItIs) {
  log_in();
  EXPECT_THAT(client("MAIL FROM:<a@b.test> HOLDUNTIL=2026-11-21T23:15:03Z"), StartsWith("250"));
  EXPECT_EQ(session().envelope().release, told + Seconds(3600));
  EXPECT_EQ(session().envelope().release_request, "until;2026-11-21T23:15:03Z");
}

TEST_F(FutureReleaseTest, ATimeTooFarOrOverIsRefused) {
  log_in();
  EXPECT_EQ(client("MAIL FROM:<a@b.test> HOLDFOR=3601"),
            "501 5.5.4 HOLDFOR is more than 3600 seconds\r\n");
  EXPECT_EQ(client("MAIL FROM:<a@b.test> HOLDUNTIL=2026-11-21T23:15:04Z"),
            "501 5.5.4 HOLDUNTIL is later than 2026-11-21T23:15:03Z\r\n");
  EXPECT_EQ(client("MAIL FROM:<a@b.test> HOLDUNTIL=2026-11-21T22:15:02Z"),
            "501 5.5.4 HOLDUNTIL is over: it is 2026-11-21T22:15:03Z\r\n");
  EXPECT_EQ(client("MAIL FROM:<a@b.test> HOLDFOR=1 HOLDUNTIL=2026-11-21T23:00:00Z"),
            "501 5.5.4 HOLDFOR and HOLDUNTIL exclude each other\r\n");
  EXPECT_THAT(refusals, ElementsAre("future_release 501", "future_release 501",
                                    "future_release 501", "syntax 501"));
  // What was told at EHLO counts (RFC 4865 section 4.2), also later.
  now += Seconds(60);
  EXPECT_THAT(client("MAIL FROM:<a@b.test> HOLDUNTIL=2026-11-21T23:15:04Z"), StartsWith("501"));
  EXPECT_THAT(client("MAIL FROM:<a@b.test>"), StartsWith("250"));
}

}  // namespace
}  // namespace postrider::smtp
