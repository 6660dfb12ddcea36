#include "relay/submission/header_check.h"

#include <gmock/gmock.h>

namespace postrider::submission {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

// The words of a denial, or "".
std::string fields(const std::string& text) {
  const auto denied = check_fields(message::HeaderSection(text));
  return denied ? denied->status.to_line() : "";
}

// The same of a user of b.example and its From field.
std::string from(const std::string& value, bool utf8 = false) {
  auth::User user;
  user.senders = {"b.example", "b\u00fccher.example"};
  const auto denied = check_from(message::HeaderSection("From: " + value + "\r\n"), user, utf8);
  return denied ? denied->status.to_line() : "";
}

constexpr const char* kUnreadable = "550 5.7.1 The From field holds no plain address";

TEST(HeaderCheck, ALineIsAField) {
  EXPECT_EQ(fields(""), "");
  EXPECT_EQ(fields("\r\n"), "");
  EXPECT_EQ(fields("From: a@b.example\r\nX!$%~: y\r\n \r\n : z\r\nEmpty:\r\n\r\n"), "");
  EXPECT_EQ(fields("A: b\r\n c\r\nno field\r\nB: d\r\n"),
            "554 5.6.0 Line 3 of the header section is no field: \"no field\"");
  EXPECT_EQ(fields("hello"), "554 5.6.0 Line 1 of the header section is no field: \"hello\"");
}

// RFC 5322 section 4.5 allows it to those who read; not all do.
TEST(HeaderCheck, NoBlankStandsBeforeTheColon) {
  EXPECT_EQ(fields("To: c@d.example\r\nFrom : a@b.example\r\n\r\n"),
            "554 5.6.0 Line 2 of the header section has a blank before its colon: \"From : "
            "a@b.example\"");
  EXPECT_THAT(fields("X\t: a\r\n"), HasSubstr("Line 1 of the header section has a blank"));
}

TEST(HeaderCheck, AHiddenFieldIsNone) {
  for (const std::string line :
       {"From\r\n : a@b.example", "From \r\n : a@b.example", "From\x0b: a@b.example",
        "\x01"
        "From: a@b.example",
        "From\xa0: a@b.example",
        "\xef\xbb\xbf"
        "From: a@b.example",
        "From a@b.example Mon Nov 22 09:00:00 2026", ": a@b.example", "Fr om: a@b.example",
        "From\x7f: a@b.example"}) {
    EXPECT_THAT(fields("To: c@d.example\r\n" + line + "\r\n\r\n"), HasSubstr(" Line 2 of "))
        << line;
    EXPECT_THAT(fields(line + "\r\nTo: c@d.example\r\n\r\n"), HasSubstr(" Line 1 of ")) << line;
  }
}

TEST(HeaderCheck, WhatIsShownOfALineIsShortAndPrintable) {
  EXPECT_THAT(fields("\x01\xff"
                     "From: a@b.example\r\n"),
              EndsWith(": \"\\x01\\xffFrom: a@b.example\""));
  EXPECT_THAT(fields(std::string(900, '\x01') + "\r\n"), EndsWith("\\x01...\""));
  EXPECT_LT(fields(std::string(900, '\x01') + "\r\n").size(), 300U);
}

TEST(HeaderCheck, ThereIsOneFromField) {
  const std::string denial = "554 5.6.0 The message has more than one From field";
  EXPECT_EQ(fields("From: a@b.example\r\nTo: c@d.example\r\n\r\n"), "");
  EXPECT_EQ(fields("From: a@b.example\r\nFROM: a@b.example\r\n\r\n"), denial);
}

TEST(HeaderCheck, AFromFieldThatReadersTakeDifferentlyIsUnreadable) {
  EXPECT_EQ(from("ceo@victim.test: a@b.example;"), kUnreadable);
  EXPECT_EQ(from("x: y: a@b.example;;"), kUnreadable);
  EXPECT_EQ(from("ceo@b.example(x)s"), kUnreadable);
  EXPECT_EQ(from("\"ceo@victim.test x\"@b.example"), kUnreadable);
  EXPECT_EQ(from("ceo @ victim.test <a@b.example>"), kUnreadable);
  EXPECT_EQ(from("\\\"x <a@b.example>"), kUnreadable);
  EXPECT_EQ(from("x\x0b <a@b.example>"), kUnreadable);
  EXPECT_EQ(from("<(ceo@victim.test)a@b.example>"), kUnreadable);
  EXPECT_EQ(from("=?utf-8?q?ceo=40victim.test?=@b.example"), kUnreadable);
  EXPECT_EQ(from("\"ceo@victim.test\" <a@b.example> (ceo@victim.test)"), "");
}

TEST(HeaderCheck, AnAddressShownAsANameIsTheUsers) {
  EXPECT_EQ(from("a@b.example <a@b.example>, c@b.example <d@b.example>"), "");
  EXPECT_EQ(from("ceo@victim.test <a@b.example>"),
            "550 5.7.1 This user may not send as ceo@victim.test");
}

TEST(HeaderCheck, AUserWhoMaySendAsEverybodyIsNotAsked) {
  auth::User user;
  user.senders = {"*"};
  EXPECT_FALSE(check_from(message::HeaderSection("From: x@y: a@b.example;\r\n"), user, false));
  EXPECT_FALSE(check_from(message::HeaderSection(""), user, false));
}

TEST(HeaderCheck, AnAddressThatIsNotAsciiNeedsSmtpUtf8) {
  EXPECT_EQ(from("a@b\u00fccher.example"), kUnreadable);
  EXPECT_EQ(from("\u00e4@b.example"), kUnreadable);
  EXPECT_EQ(from("a@b\u00fccher.example", true), "");
  EXPECT_EQ(from("a@\uff42.example", true), "");  // that is b
  EXPECT_EQ(from("J\u00f6rg <a@b.example>"), "");
}

}  // namespace
}  // namespace postrider::submission
