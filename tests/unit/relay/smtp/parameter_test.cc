#include "relay/smtp/parameter.h"

#include <gtest/gtest.h>
#include <limits>
#include <string>

namespace postrider::smtp {
namespace {

// 0: the parameters are good; otherwise the code of the refusal.
int mail_code(std::string_view text) {
  MailCommand command;
  const auto refusal = apply_mail_parameters(text, true, command);
  return refusal ? refusal->code : 0;
}

int rcpt_code(std::string_view text, bool utf8 = false) {
  message::Recipient recipient;
  const auto refusal = apply_rcpt_parameters(text, utf8, recipient);
  return refusal ? refusal->code : 0;
}

TEST(MailParameters, AllTogether) {
  MailCommand command;
  ASSERT_FALSE(apply_mail_parameters("SIZE=123 body=8bitmime SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<>",
                                     true, command));
  EXPECT_EQ(command.size, 123U);
  EXPECT_TRUE(command.envelope.eight_bit);
  EXPECT_TRUE(command.envelope.smtputf8);
  EXPECT_EQ(command.envelope.return_content, message::ReturnContent::kHeaders);
  EXPECT_EQ(command.envelope.envelope_id, "a+2Bb");
}

TEST(MailParameters, NoneIsGood) {
  EXPECT_EQ(mail_code(""), 0);
}

TEST(MailParameters, ASizeBeyondAllBoundsIsTooLargeNotWrong) {
  MailCommand command;
  ASSERT_FALSE(apply_mail_parameters("SIZE=99999999999999999999", true, command));
  EXPECT_EQ(command.size, std::numeric_limits<std::uint64_t>::max());
}

TEST(MailParameters, BadValues) {
  for (const char* text :
       {"SIZE", "SIZE=", "SIZE=1k", "SIZE=+1", "BODY", "BODY=BINARYMIME", "SMTPUTF8=1", "RET",
        "RET=ALL", "ENVID", "ENVID=", "ENVID=a=b", "ENVID=+2", "ENVID=+2b", "ENVID=+0A", "AUTH",
        "AUTH=", "RET=FULL RET=FULL"}) {
    EXPECT_EQ(mail_code(text), 501) << text;
  }
}

TEST(MailParameters, UnknownOnes) {
  for (const char* text : {"XYZ", "NOTIFY=NEVER", "=", "SIZEX=1", "SIZE =1"}) {
    EXPECT_GE(mail_code(text), 501) << text;
  }
  EXPECT_EQ(mail_code("XYZ=1"), 555);
}

TEST(MailParameters, ATimeOfReleaseIsAnIntervalOrADateTime) {
  MailCommand command;
  ASSERT_FALSE(apply_mail_parameters("holdfor=999999999", true, command));
  EXPECT_EQ(command.hold_for, Seconds(999'999'999));
  EXPECT_EQ(command.envelope.release_request, "for;999999999");
  command = {};
  ASSERT_FALSE(apply_mail_parameters("HOLDUNTIL=2026-11-21T22:15:03Z", true, command));
  EXPECT_EQ(command.hold_until, WallTime(Seconds(1795299303)));
  EXPECT_EQ(command.envelope.release_request, "until;2026-11-21T22:15:03Z");
  for (const char* text :
       {"HOLDFOR", "HOLDFOR=", "HOLDFOR=0", "HOLDFOR=01", "HOLDFOR=-1", "HOLDFOR=+1", "HOLDFOR=1s",
        "HOLDFOR=1000000000", "HOLDFOR=1 HOLDFOR=2", "HOLDUNTIL", "HOLDUNTIL=", "HOLDUNTIL=60",
        "HOLDUNTIL=2026-11-21", "HOLDUNTIL=2026-11-21T23:15:03+01:00",
        "HOLDUNTIL=2026-11-21T22:15:03.1234567890123456789012Z"}) {
    EXPECT_EQ(mail_code(text), 501) << text;
  }
}

TEST(MailParameters, ATimeOfReleaseIsUnknownWhereItIsNotOffered) {
  for (const char* text : {"HOLDFOR=1", "HOLDUNTIL=2026-11-21T22:15:03Z", "HOLDFOR"}) {
    MailCommand command;
    const auto refusal = apply_mail_parameters(text, false, command);
    ASSERT_TRUE(refusal) << text;
    EXPECT_EQ(refusal->code, 555) << text;
  }
}

TEST(MailParameters, APriorityIsOneDigit) {
  for (int priority = -9; priority <= 9; ++priority) {
    MailCommand command;
    ASSERT_FALSE(apply_mail_parameters("MT-PRIORITY=" + std::to_string(priority), false, command));
    EXPECT_EQ(command.envelope.priority, priority);
  }
  for (const char* text : {"MT-PRIORITY", "MT-PRIORITY=", "MT-PRIORITY=10", "MT-PRIORITY=-10",
                           "MT-PRIORITY=+1", "MT-PRIORITY=-0", "MT-PRIORITY=01", "MT-PRIORITY=-",
                           "MT-PRIORITY=x", "MT-PRIORITY=1 MT-PRIORITY=1"}) {
    MailCommand command;
    const auto refusal = apply_mail_parameters(text, false, command);
    ASSERT_TRUE(refusal) << text;
    EXPECT_EQ(refusal->to_line().substr(0, 9), "501 5.5.2") << text;
  }
}

TEST(RcptParameters, Notify) {
  message::Recipient recipient;
  ASSERT_FALSE(apply_rcpt_parameters("NOTIFY=success,Delay", false, recipient));
  EXPECT_EQ(recipient.notify, message::kNotifySuccess | message::kNotifyDelay);
  EXPECT_EQ(rcpt_code("NOTIFY=NEVER"), 0);
  EXPECT_EQ(rcpt_code("NOTIFY=NEVER,SUCCESS"), 501);
  EXPECT_EQ(rcpt_code("NOTIFY=SUCCESS,"), 501);
  EXPECT_EQ(rcpt_code("NOTIFY="), 501);
}

TEST(RcptParameters, OriginalRecipient) {
  message::Recipient recipient;
  ASSERT_FALSE(apply_rcpt_parameters("ORCPT=rfc822;Bob+2Bx@a.test", false, recipient));
  EXPECT_EQ(recipient.original, "rfc822;Bob+2Bx@a.test");
  EXPECT_EQ(rcpt_code("ORCPT=x.400;abc"), 501);  // "." is no character of an atom
  EXPECT_EQ(rcpt_code("ORCPT=a=b;c"), 501);      // "=" is none of a parameter's value
  EXPECT_EQ(rcpt_code("ORCPT=rfc822"), 501);
  EXPECT_EQ(rcpt_code("ORCPT=rfc822;a+0Ab"), 501);
  EXPECT_EQ(rcpt_code("ORCPT=rfc822;" + std::string(500, 'a')), 501);
  EXPECT_EQ(rcpt_code("ORCPT=utf-8;j\xc3\xb6", true), 0);
  EXPECT_EQ(rcpt_code("ORCPT=utf-8;j\xc3\xb6", false), 501);
  EXPECT_EQ(rcpt_code("ORCPT=utf-8;j\xc3", true), 501);
  EXPECT_EQ(rcpt_code("ORCPT=utf-8;j\\x{F6}", false), 0);
}

TEST(Xtext, StandsForPrintableAscii) {
  EXPECT_TRUE(is_xtext("a+20b"));
  EXPECT_FALSE(is_xtext("a b"));
  EXPECT_FALSE(is_xtext("a+7F"));
  EXPECT_FALSE(is_xtext("a+E9"));
  EXPECT_FALSE(is_xtext("\xe9"));
}

}  // namespace
}  // namespace postrider::smtp
