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

TEST(HeaderCheck, ALineIsAField) {
  EXPECT_EQ(fields(""), "");
  EXPECT_EQ(fields("\r\n"), "");
  EXPECT_EQ(fields("From : a@b.example\r\nX!$%~: y\r\n \r\n : z\r\nEmpty:\r\n\r\n"), "");
  EXPECT_EQ(fields("A: b\r\n c\r\nno field\r\nB: d\r\n"),
            "554 5.6.0 Line 3 of the header section is no field: \"no field\"");
  EXPECT_EQ(fields("hello"), "554 5.6.0 Line 1 of the header section is no field: \"hello\"");
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
  EXPECT_EQ(fields("From: a@b.example\r\nFROM : a@b.example\r\n\r\n"), denial);
}

}  // namespace
}  // namespace postrider::submission
