#include "relay/message/dsn_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/message/utf8.h"
#include "tests/unit/relay/message/dsn_fixture.h"

namespace postrider::message {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

using DsnFieldsTest = DsnFixture;

TEST_F(DsnFieldsTest, FailureHasTheFieldsOfRfc3464InTheirOrder) {
  add_failed().recipient.original = "rfc822;Bob+2BX@Old.example";
  facts_.envelope.envelope_id = "QQ+3D31+2B4";
  EXPECT_EQ(fields(),
            "Original-Envelope-Id: QQ=31+4\r\n"
            "Reporting-MTA: dns; relay.example\r\n"
            "X-Postrider-Queue-Id: 0011aabb\r\n"
            "Arrival-Date: " +
                to_rfc5322(facts_.arrived) +
                "\r\n"
                "\r\n"
                "Original-Recipient: rfc822; Bob+X@Old.example\r\n"
                "Final-Recipient: rfc822; bob@there.example\r\n"
                "Action: failed\r\n"
                "Status: 5.1.1\r\n"
                "Remote-MTA: dns; mx.there.example\r\n"
                "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
                "Last-Attempt-Date: " +
                to_rfc5322(kNow) + "\r\n");
}

TEST_F(DsnFieldsTest, ATimeOfReleaseIsToldAsItWasAskedFor) {
  add_failed();
  facts_.envelope.release_request = "until;2026-11-21T22:15:03Z";
  EXPECT_THAT(fields(), HasSubstr("Arrival-Date: " + to_rfc5322(facts_.arrived) +
                                  "\r\nFuture-Release-Request: until;2026-11-21T22:15:03Z\r\n"));
}

TEST_F(DsnFieldsTest, DelaySaysHowLongItGoesOn) {
  DsnRecipient& one = add("bob", DsnAction::kDelayed, {451, {4, 7, 1}, "try later"});
  one.will_retry_until = kNow + Seconds(86400);
  one.last_attempt = kNow - Seconds(60);
  EXPECT_THAT(fields(), EndsWith("Action: delayed\r\nStatus: 4.7.1\r\n"
                                 "Remote-MTA: dns; mx.there.example\r\n"
                                 "Diagnostic-Code: smtp; 451 4.7.1 try later\r\n"
                                 "Last-Attempt-Date: " +
                                 to_rfc5322(kNow - Seconds(60)) + "\r\nWill-Retry-Until: " +
                                 to_rfc5322(kNow + Seconds(86400)) + "\r\n"));
  EXPECT_THAT(text(), AllOf(HasSubstr("need not send it again"), HasSubstr("gives up")));
}

TEST_F(DsnFieldsTest, EachRecipientHasItsGroup) {
  add_failed("a");
  add("b", DsnAction::kDelivered, {250, {2, 0, 0}, "ok"});
  add("c", DsnAction::kRelayed, {250, {}, "ok"});
  const std::string all = fields();
  EXPECT_THAT(all, HasSubstr("\r\n\r\nFinal-Recipient: rfc822; a@there.example\r\n"
                             "Action: failed\r\n"));
  EXPECT_THAT(all, HasSubstr("\r\n\r\nFinal-Recipient: rfc822; b@there.example\r\n"
                             "Action: delivered\r\nStatus: 2.0.0\r\n"));
  EXPECT_THAT(all, HasSubstr("\r\n\r\nFinal-Recipient: rfc822; c@there.example\r\n"
                             "Action: relayed\r\nStatus: 2.0.0\r\n"));
}

TEST_F(DsnFieldsTest, StatusIsFilledInFromTheReplyOrTheAction) {
  add("a", DsnAction::kFailed, {554, {}, "no"});
  add("b", DsnAction::kFailed, {451, {}, "expired"});
  add("c", DsnAction::kFailed, {}, "");
  add("d", DsnAction::kDelayed, {}, "");
  add("e", DsnAction::kRelayed, {}, "");
  const std::string all = fields();
  std::vector<std::string> found;
  for (std::size_t i = all.find("Status: "); i != std::string::npos;
       i = all.find("Status: ", i + 1)) {
    found.push_back(all.substr(i + 8, 5));
  }
  EXPECT_THAT(found, ElementsAre("5.0.0", "4.0.0", "5.0.0", "4.0.0", "2.0.0"));
}

TEST_F(DsnFieldsTest, OurOwnVerdictIsNoSmtpReply) {
  add("bob", DsnAction::kFailed, {550, {5, 1, 2}, "there.example does not exist"}, "");
  EXPECT_THAT(fields(), AllOf(HasSubstr("Diagnostic-Code: X-Postrider; 550 5.1.2 there.example"),
                              Not(HasSubstr("Remote-MTA"))));
  EXPECT_THAT(text(), HasSubstr("The reason:\r\n      550 5.1.2 there.example does not exist"));
}

TEST_F(DsnFieldsTest, ALostConnectionIsNoSmtpReply) {
  add("bob", DsnAction::kFailed, {0, {4, 4, 2}, "connection lost"});
  EXPECT_THAT(fields(), HasSubstr("Remote-MTA: dns; mx.there.example\r\n"
                                  "Diagnostic-Code: X-Postrider; 4.4.2 connection lost\r\n"));
  EXPECT_THAT(text(), HasSubstr("With the mail host mx.there.example this happened:"));
}

TEST_F(DsnFieldsTest, MalformedParametersLeaveTheirFieldsOut) {
  facts_.envelope.envelope_id = "a+zz";
  add_failed("a").recipient.original = "rfc822;a+zz";
  add_failed("b").recipient.original = "no-type";
  add_failed("c").recipient.original = "rfc822;";
  add_failed("d").recipient.original = ";d@x";
  EXPECT_THAT(fields(),
              AllOf(Not(HasSubstr("Original-Recipient")), Not(HasSubstr("Original-Envelope-Id"))));
}

TEST_F(DsnFieldsTest, RemoteTextCannotForgeFields) {
  facts_.reporting_mta = "relay.example";
  facts_.envelope.envelope_id = "a+0D+0AStatus:+202.0.0";
  DsnRecipient& one =
      add("bob", DsnAction::kFailed,
          {550, {5, 0, 0}, std::string("no\nStatus: 2.0.0\x1b[31m\xff\x00 end", 26)},
          "mx\r\nAction: delivered");
  one.recipient.original = "rfc822;a+0D+0AAction:+20delivered";
  const std::string all = fields();
  EXPECT_THAT(all, Not(HasSubstr("\nAction: delivered")));
  EXPECT_THAT(all, Not(HasSubstr("\nStatus: 2")));
  EXPECT_THAT(all, HasSubstr("Original-Envelope-Id: a??Status: 2.0.0\r\n"));
  EXPECT_THAT(all, HasSubstr("Remote-MTA: dns; mx??Action: delivered\r\n"));
  EXPECT_THAT(all, HasSubstr(R"(smtp; 550 5.0.0 no Status: 2.0.0\x1b[31m\xff)"));
  EXPECT_TRUE(is_ascii(build()));
}

TEST_F(DsnFieldsTest, ALongDiagnosticIsFoldedAndWhole) {
  std::string words;
  for (int i = 0; i < 40; ++i) words += "word" + std::to_string(i) + " ";
  add("bob", DsnAction::kFailed, {550, {}, words + "end"});
  const std::string raw = content(split_parts(build()).at(2));
  EXPECT_THAT(unfolded(raw), HasSubstr("smtp; 550 " + words + "end\r\n"));
  for (std::size_t i = 0, end = 0; end != std::string::npos; i = end + 2) {
    end = raw.find("\r\n", i);
    EXPECT_LE(raw.substr(i, end - i).size(), 78U);
  }
}

}  // namespace
}  // namespace postrider::message
