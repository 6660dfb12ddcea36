#include "relay/message/dsn.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

#include "relay/message/utf8.h"
#include "tests/unit/relay/message/dsn_fixture.h"

namespace postrider::message {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Bytes that repeat, so that a second report would choose the boundary of the first.
class SameBytes final : public Random {
 public:
  void fill(std::span<std::byte> bytes) override {
    std::fill(bytes.begin(), bytes.end(), std::byte{5});
  }
};

using DsnTest = DsnFixture;

TEST_F(DsnTest, HeaderSaysWhatItIs) {
  add_failed();
  EXPECT_THAT(header(), AllOf(StartsWith("From: Mail Relay <MAILER-DAEMON@relay.example>\r\n"
                                         "To: <me@here.example>\r\n"
                                         "Subject: Your message could not be delivered\r\n"
                                         "Date: " +
                                         to_rfc5322(kNow) + "\r\nMessage-ID: <"),
                              HasSubstr("@relay.example>\r\nAuto-Submitted: auto-replied\r\n"
                                        "MIME-Version: 1.0\r\nContent-Type: multipart/report; "
                                        "report-type=delivery-status; boundary=\""),
                              Not(HasSubstr("8bit"))));
}

TEST_F(DsnTest, HeadersAreReturnedUnlessAllIsAskedFor) {
  add_failed();
  for (const ReturnContent what : {ReturnContent::kUnspecified, ReturnContent::kHeaders}) {
    facts_.envelope.return_content = what;
    EXPECT_THAT(returned(),
                AllOf(StartsWith("\r\nContent-Type: text/rfc822-headers\r\n"),
                      EndsWith("\r\n\r\nReceived: from a by b\r\nFrom: me@here.example\r\n"
                               "Subject: hello\r\n\r\n")));
  }
}

TEST_F(DsnTest, AllIsReturnedUpToASize) {
  add_failed();
  facts_.envelope.return_content = ReturnContent::kFull;
  full_max_ = sizeof(kOriginal) - 1;
  EXPECT_THAT(returned(), StartsWith("\r\nContent-Type: message/rfc822\r\n"));
  EXPECT_EQ(content(returned()), kOriginal);
  --full_max_;
  EXPECT_THAT(returned(), StartsWith("\r\nContent-Type: text/rfc822-headers\r\n"));
}

TEST_F(DsnTest, AllIsReturnedOnFailureOnly) {
  facts_.envelope.return_content = ReturnContent::kFull;
  add("bob", DsnAction::kDelivered, {250, {}, "ok"});
  EXPECT_THAT(returned(), HasSubstr("text/rfc822-headers"));
  add_failed();
  EXPECT_THAT(returned(), HasSubstr("message/rfc822"));
}

TEST_F(DsnTest, LinesThatAreTooLongAreNotReturnedWhole) {
  add_failed();
  facts_.envelope.return_content = ReturnContent::kFull;
  const std::string fine = "Subject: a\r\n\r\n" + std::string(998, 'x') + "\r\n";
  EXPECT_THAT(returned(Body(fine)), HasSubstr("message/rfc822"));
  const std::string over = "Subject: a\r\n\r\n" + std::string(999, 'x') + "\r\n";
  EXPECT_THAT(returned(Body(over)), HasSubstr("text/rfc822-headers"));
  const std::string stray = "Subject: a\r\n\r\nx\ny\r\n";
  EXPECT_THAT(returned(Body(stray)), HasSubstr("text/rfc822-headers"));
}

TEST_F(DsnTest, ReturnedHeadersAreMadeFitForTheWire) {
  add_failed();
  EXPECT_EQ(content(returned(Body("A: " + std::string(2000, 'x') + "\r\nB: \r\n\r\n"))),
            "A: " + std::string(995, 'x') + "\r\nB: \r\n\r\n");
  EXPECT_EQ(content(returned(Body(std::string("A: \0\n\rb\r\nB: c", 13)))), "A: ???b\r\nB: c\r\n");
}

TEST_F(DsnTest, ReturnedHeadersAreBounded) {
  add_failed();
  std::string huge;
  for (int i = 0; i < 10'000; ++i) huge += "X-Field: value\r\n";
  const std::string part = content(returned(Body(huge + "\r\n")));
  EXPECT_LE(part.size(), 32U * 1024);
  EXPECT_GT(part.size(), 32U * 1024 - 17);
  EXPECT_THAT(part, EndsWith("X-Field: value\r\n"));
}

TEST_F(DsnTest, AnEmptyOriginalMakesNoThirdPart) {
  add_failed();
  EXPECT_THAT(split_parts(build(Body())), SizeIs(3));
}

TEST_F(DsnTest, EightBitOriginalsAreDeclared) {
  add_failed();
  facts_.envelope.return_content = ReturnContent::kFull;
  const std::string report = build(Body("Subject: a\r\n\r\n\xe4\r\n"));
  const auto parts = split_parts(report);
  EXPECT_THAT(parts[0], HasSubstr("\r\nContent-Transfer-Encoding: 8bit\r\n"));
  EXPECT_THAT(parts[1], Not(HasSubstr("8bit")));
  EXPECT_THAT(parts[2], Not(HasSubstr("8bit")));
  EXPECT_THAT(parts[3], HasSubstr("\r\nContent-Transfer-Encoding: 8bit\r\n"));
  EXPECT_TRUE(dsn_envelope(facts_, body_).eight_bit);
  EXPECT_FALSE(dsn_envelope(facts_, body_).smtputf8);
}

TEST_F(DsnTest, TheReportIsAsUrgentAsItsMessage) {
  facts_.envelope.priority = 4;
  add_failed();
  build();
  EXPECT_EQ(dsn_envelope(facts_, body_).priority, 4);
}

TEST_F(DsnTest, SmtputfEightTakesTheFormsOfRfc6533) {
  facts_.envelope.smtputf8 = true;
  facts_.envelope.sender.local = "j\xc3\xb6rg";
  add_failed("\xe7\x94\xa8").recipient.original = "utf-8;\xe7\x94\xa8\\x{2B}@old.example";
  add_failed("ascii");
  const auto parts = split_parts(build(Body("Subject: \xe7\x94\xa8\r\n\r\nx\r\n")));
  EXPECT_THAT(parts[0], AllOf(HasSubstr("To: <j\xc3\xb6rg@here.example>\r\n"), HasSubstr("8bit")));
  EXPECT_THAT(parts[1],
              AllOf(HasSubstr("charset=utf-8"), HasSubstr("<\xe7\x94\xa8@there.example>")));
  EXPECT_THAT(unfolded(parts[2]),
              AllOf(HasSubstr("Content-Type: message/global-delivery-status\r\n"),
                    HasSubstr("Original-Recipient: utf-8; \xe7\x94\xa8\\x{2B}@old.example\r\n"
                              "Final-Recipient: utf-8; \xe7\x94\xa8@there.example\r\n"),
                    HasSubstr("Final-Recipient: rfc822; ascii@there.example\r\n")));
  EXPECT_THAT(parts[3], HasSubstr("Content-Type: message/global-headers\r\n"));
  EXPECT_TRUE(dsn_envelope(facts_, body_).smtputf8);
  EXPECT_TRUE(dsn_envelope(facts_, body_).eight_bit);
}

TEST_F(DsnTest, SmtputfEightReturnsWholeMessagesAsGlobal) {
  facts_.envelope.smtputf8 = true;
  facts_.envelope.return_content = ReturnContent::kFull;
  add_failed();
  EXPECT_THAT(returned(Body("Subject: \xe7\x94\xa8\r\n\r\nx\r\n")),
              HasSubstr("message/global\r\n"));
  EXPECT_THAT(returned(), HasSubstr("message/rfc822\r\n")) << "pure ASCII stays readable for all";
  EXPECT_FALSE(dsn_envelope(facts_, body_).smtputf8) << "nothing in it needs the extension";
}

TEST_F(DsnTest, LongValuesAreCut) {
  add("bob", DsnAction::kFailed, {550, {}, std::string(5000, 'x')}, std::string(5000, 'y'))
      .recipient.original = "rfc822;" + std::string(5000, 'z');
  EXPECT_LT(build().size(), 6000U);
  EXPECT_THAT(fields(), AllOf(HasSubstr("xxx..."), HasSubstr("yyy..."), HasSubstr("zzz...")));
}

TEST_F(DsnTest, BoundaryNeverOccursInTheOriginal) {
  add_failed();
  facts_.envelope.return_content = ReturnContent::kFull;
  SameBytes same;
  const auto boundary_in = [&](const std::string& original) {
    const std::string report = build_dsn(facts_, Body(original), full_max_, same).to_string();
    EXPECT_EQ(content(split_parts(report).at(3)), original);
    const std::size_t start = report.find("boundary=\"") + 10;
    return report.substr(start, report.find('"', start) - start);
  };
  const std::string first = boundary_in("A: b\r\n\r\nc\r\n");
  const std::string second = boundary_in("A: b\r\n\r\n--" + first + "--\r\n");
  EXPECT_NE(second, first);
  const std::string third = boundary_in("A: b\r\n\r\n--" + first + "\r\n--" + second + "\r\n");
  EXPECT_NE(third, second);
  EXPECT_LE(third.size(), 70U);
}

TEST_F(DsnTest, EachReportHasItsOwnBoundaryAndId) {
  add_failed();
  const std::string first = header();
  const std::string second = header();
  EXPECT_NE(first.substr(first.find("boundary=")), second.substr(second.find("boundary=")));
  EXPECT_NE(first.substr(first.find("Message-ID"), 50),
            second.substr(second.find("Message-ID"), 50));
}

TEST_F(DsnTest, EnvelopeOfTheReport) {
  add_failed();
  facts_.envelope.tenant = "t1";
  facts_.envelope.user = "someone";
  facts_.envelope.eight_bit = true;
  build();
  const Envelope envelope = dsn_envelope(facts_, body_);
  Envelope expected;
  expected.tenant = "t1";
  EXPECT_EQ(envelope, expected);
  EXPECT_TRUE(envelope.sender.is_null());
}

TEST_F(DsnTest, AnyBytesMakeAReportFitForTheWire) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 generator(seed);
  const auto bytes = [&](std::size_t length) {
    std::string out(generator() % length, '\0');
    std::generate(out.begin(), out.end(), [&] { return static_cast<char>(generator() % 256); });
    return out;
  };
  for (int round = 0; round < 300; ++round) {
    facts_.recipients.clear();
    facts_.envelope.smtputf8 = generator() % 2 == 0;
    facts_.envelope.return_content =
        generator() % 2 == 0 ? ReturnContent::kFull : ReturnContent::kHeaders;
    facts_.envelope.envelope_id = bytes(200);
    add("bob", DsnAction::kFailed, {550, {}, bytes(2000)}, bytes(300)).recipient.original =
        "rfc822;" + bytes(1000);
    const std::string report = build(Body(bytes(5000)));
    EXPECT_EQ(dsn_envelope(facts_, body_).eight_bit, !is_ascii(report));
  }
}

using DsnDeathTest = DsnTest;

TEST_F(DsnDeathTest, ReportToTheNullSenderIsABug) {
  add_failed();
  facts_.envelope.sender = {};
  EXPECT_DEATH(build(), "is_null");
}

}  // namespace
}  // namespace postrider::message
