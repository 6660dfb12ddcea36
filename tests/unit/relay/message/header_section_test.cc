#include "relay/message/header_section.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postrider::message {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> from(std::string_view value) {
  std::vector<std::string> all;
  for (const Address& address : parse_authors(value, true).addresses) {
    all.push_back(address.to_string());
  }
  return all;
}

bool is_doubtful(std::string_view value) {
  const Authors authors = parse_authors(value, true);
  EXPECT_FALSE(authors.addresses.empty()) << value;
  return authors.doubtful;
}

TEST(HeaderSection, KeepsWhatItDoesNotTouch) {
  for (const std::string text :
       {"", "\r\n", "A: b\r\n\r\n", "A:b\r\n c\r\n\td\r\nno field\r\n : x\r\nB : c\r\n\r\n",
        "A: b\r\n", " leading\r\n\r\n"}) {
    EXPECT_EQ(HeaderSection(text).to_string(), text);
    const HeaderSection asked(text);
    EXPECT_FALSE(asked.has("none"));
    EXPECT_EQ(asked.to_string(), text);
    EXPECT_EQ(asked.size(), HeaderSection(text).size()) << text;
    HeaderSection changed(text);
    changed.add("X", "y");
    EXPECT_EQ(changed.to_string(), "X: y\r\n" + text);
    EXPECT_EQ(changed.size(), HeaderSection(text).size() + 1);
    changed.remove("x");
    EXPECT_EQ(changed.to_string(), text);
  }
}

TEST(HeaderSection, CountsFields) {
  EXPECT_EQ(HeaderSection("\r\n").size(), 0U);
  EXPECT_EQ(HeaderSection("A: b\r\n c\r\nno field\r\nB: d\r\n\r\n").size(), 3U);
}

TEST(HeaderSection, TellsWhetherItWouldGoOnWithAnotherField) {
  for (const std::string text : {" x\r\nA: b\r\n\r\n", "\tx", " \r\n\r\n"}) {
    HeaderSection section(text);
    EXPECT_TRUE(section.begins_folded()) << text;
    EXPECT_FALSE(section.has("x"));  // taken apart by this
    EXPECT_TRUE(section.begins_folded()) << text;
    section.add("X", "y");
    EXPECT_FALSE(section.begins_folded());
  }
  for (const std::string text : {"", "\r\n", "A: b\r\n c\r\n\r\n", "x\r\n y"}) {
    const HeaderSection section(text);
    EXPECT_FALSE(section.begins_folded()) << text;
    EXPECT_FALSE(section.has("x"));
    EXPECT_FALSE(section.begins_folded()) << text;
  }
}

TEST(HeaderSection, FindsFieldsInAnyCaseAndFolded) {
  const HeaderSection section("SuBject: a\r\n b\r\nX: 1\r\nsubject : c\r\n\r\n");
  EXPECT_TRUE(section.has("subject"));
  EXPECT_FALSE(section.has("b"));
  EXPECT_THAT(section.values("subject"), ElementsAre("a b", "c"));
}

TEST(HeaderSection, RemovesWholeFields) {
  HeaderSection section("Bcc: a@b.test,\r\n c@d.test\r\nTo: e@f.test\r\nBCC : g@h.test\r\n\r\n");
  section.remove("bcc");
  EXPECT_EQ(section.to_string(), "To: e@f.test\r\n\r\n");
}

TEST(HeaderSection, AddsInFront) {
  HeaderSection section("To: a@b.test\r\n\r\n");
  EXPECT_TRUE(section.add("Date", "today"));
  EXPECT_EQ(section.to_string(), "Date: today\r\nTo: a@b.test\r\n\r\n");
  HeaderSection none("\r\n");
  EXPECT_TRUE(none.add("Date", "today"));
  EXPECT_EQ(none.to_string(), "Date: today\r\n\r\n");
}

TEST(HeaderSection, LeavesWhatASignatureCovers) {
  const std::string text =
      "DKIM-Signature: v=1; a=rsa-sha256; d=b.test; s=x; h=From : To:\r\n Date:BCC; bh=abc;\r\n"
      " b=abc\r\nBcc: a@b.test\r\nX: 1\r\n\r\n";
  HeaderSection section(text);
  section.remove("bcc");
  EXPECT_FALSE(section.add("Date", "today"));
  section.remove("dkim-signature");
  EXPECT_EQ(section.to_string(), text);
  EXPECT_TRUE(section.add("Message-ID", "<1@x>"));
  section.remove("x");
  EXPECT_EQ(section.to_string().find("X: 1"), std::string::npos);
}

// RFC 6376 section 3.5 says which tags there must be, section 3.2 that each stands once.
TEST(HeaderSection, WhatNobodyCanVerifyIsNoSignature) {
  for (const std::string value :
       {"what?", "", "b=x; h=bcc:return-path", "a=x; b=x; bh=x; d=b.test; h=from:bcc:date; s=x",
        "v=1; b=x; bh=x; d=b.test; h=from:bcc:date; s=x", "v=1; a=x; bh=x; d=x; h=from:bcc; s=x",
        "v=1; a=x; b=x; d=b.test; h=from:bcc:date; s=x", "v=1; a=x; b=x; bh=x; h=from:bcc; s=x",
        "v=1; a=x; b=x; bh=x; d=b.test; s=x", "v=1; a=x; b=x; bh=x; d=b.test; h=from:bcc:date",
        "v=1; a=x; b=\r\n ; bh=x; d=b.test; h=from:bcc:date; s=x",
        "v=1; a=x; b=x; bh=x; d=b.test; h=; s=x", "v=1; a=x; b=x; bh=x; d=b.test; h=bcc:date; s=x",
        "v=2; a=x; b=x; bh=x; d=b.test; h=from:bcc:date; s=x",
        "v=1; a=x; b=x; bh=x; d=b.test; xh=from:bcc:date; s=x",
        "v=1; a=x; b=x; bh=x; d=b.test; h=from:bcc:date; s=x; a=x",
        "v=1; a=x; b=x; bh=x; d=b.test; h=from; s=x; h=bcc:date"}) {
    HeaderSection section("DKIM-Signature: " + value + "\r\nBcc: a@b.test\r\n\r\n");
    section.remove("bcc");
    EXPECT_FALSE(section.has("bcc")) << value;
    EXPECT_TRUE(section.add("Date", "today")) << value;
  }
}

TEST(HeaderSection, EverySignatureCounts) {
  const std::string tags = "DKIM-Signature: a=x; v = 1;d=b.test ;s=x;; bh=x; t=1;";
  const std::string one = tags + " b=abc; h = From:Bcc\r\n";
  const std::string other = tags + " h=from:date; b=d ef;\r\n";
  const HeaderSection section(one + "DKIM-Signature: x\r\n" + other + "\r\n");
  EXPECT_TRUE(section.is_signed("bcc") && section.is_signed("date"));
  EXPECT_TRUE(section.is_signed("dkim-signature"));
  EXPECT_FALSE(section.is_signed("subject"));
}

TEST(Authors, AreFoundInEveryForm) {
  EXPECT_THAT(from("a@b.test"), ElementsAre("a@b.test"));
  EXPECT_THAT(from("Name Surname <a@B.test>"), ElementsAre("a@b.test"));
  EXPECT_THAT(from("\"x <c@d.test>, y\" <a@b.test>"), ElementsAre("a@b.test"));
  EXPECT_THAT(from("a@b.test (c@d.test \\) (nested))"), ElementsAre("a@b.test"));
  EXPECT_THAT(from("a@b.test, N <c@d.test>"), ElementsAre("a@b.test", "c@d.test"));
  EXPECT_THAT(from("Group: a@b.test, c@d.test;"), ElementsAre("a@b.test", "c@d.test"));
  EXPECT_THAT(from("\"quoted local\"@b.test"), ElementsAre("\"quoted local\"@b.test"));
}

TEST(Authors, WhatIsUnsureIsNone) {
  for (const std::string_view value :
       {"", "nobody", "<>", "a@b.test <c@d.test> e@f.test", "<a@b.test> <c@d.test>", "<a@b.test",
        "a@b.test>", "\"a@b.test", "(a@b.test", "<<a@b.test>>", "a@b.test c@d.test",
        "undisclosed:;", "N <a@b.test>x", "a@b.test, nobody", "<a@b.test>: c@d.test"}) {
    EXPECT_THAT(from(value), IsEmpty()) << value;
  }
}

// RFC 5322 section 3.2.3: a comment ends an atom. Other readers stop there.
TEST(Authors, NoAddressGoesOnBehindAComment) {
  for (const std::string_view value :
       {"ceo@victim.test(x)ing", "ceo@victim.test()ing", "me@victim.test(x).b.test",
        "sh(x)op@b.test", "\"a\"(x)@b.test", "a(x)@b.test", "a@(x)b.test", "a@b.test(x)(y)ing",
        "a@b.test(x\\)(y)) ing"}) {
    EXPECT_THAT(from(value), IsEmpty()) << value;
  }
  EXPECT_TRUE(is_doubtful("ceo@victim.test(x)ing <a@b.test>"));
  EXPECT_THAT(from("(x)a@b.test(y)"), ElementsAre("a@b.test"));
  EXPECT_THAT(from("Na(x)me<a@b.test>(y), c@d.test(z)"), ElementsAre("a@b.test", "c@d.test"));
}

TEST(Authors, WhatReadersTakeDifferentlyIsDoubtful) {
  for (const std::string_view value : {"ceo@victim.test: a@b.test;",
                                       "ceo@victim.test:;, a@b.test",
                                       "x: y: a@b.test;;",
                                       "x ceo@victim.test <a@b.test>",
                                       "ceo @ victim.test <a@b.test>",
                                       "@ <a@b.test>",
                                       "\"x\" ceo@victim.test <a@b.test>",
                                       "x\\ <a@b.test>",
                                       "x\x0b<a@b.test>",
                                       "\x1b]0 <a@b.test>",
                                       "x\x7f <a@b.test>",
                                       "<(ceo@victim.test)a@b.test>",
                                       "<a@b.test(x)>",
                                       "=?utf-8?b?Y2VvQHZpY3RpbS50ZXN0?=@b.test",
                                       "<=?utf-8?q?x?=@b.test>",
                                       "=?utf-8?q?x?=@b.test <a@b.test>",
                                       "\"ceo@victim.test x\"@b.test",
                                       "\"ceo\\@victim.test\"@b.test",
                                       "<\"ceo@victim.test x\"@b.test>",
                                       "\"ceo@victim.test x\"@b.test <a@b.test>"}) {
    EXPECT_TRUE(is_doubtful(value)) << value;
  }
}

TEST(Authors, WhatIsCommonIsNotDoubtful) {
  for (const std::string_view value :
       {"a@b.test", "a@b.test <a@b.test>", "\"ceo@victim.test\" <a@b.test>",
        "a@b.test (ceo@victim.test \\) x)", "(ceo@victim.test) a@b.test",
        "\"ceo@victim.test\": a@b.test;", "x: a@b.test; y: c@b.test;", "Name\t<a@b.test>",
        "=?utf-8?b?Y2VvQHZpY3RpbS50ZXN0?= <a@b.test>", "\"=?x\"@b.test", "\"a\\\"b\" <a@b.test>",
        "J\u00f6rg <a@b.test>"}) {
    EXPECT_FALSE(is_doubtful(value)) << value;
  }
}

TEST(Authors, AnAddressShownAsANameIsFound) {
  const Authors authors = parse_authors("A@B.test <c@d.test>, e@f.test(x) <g@h.test>", true);
  EXPECT_THAT(authors.shown, ElementsAre(Address{"A", "b.test"}, Address{"e", "f.test"}));
  EXPECT_EQ(authors.addresses.size(), 2U);
  EXPECT_FALSE(authors.doubtful);
}

}  // namespace
}  // namespace postrider::message
