#include "relay/smtp/command.h"

#include <gtest/gtest.h>
#include <string>

namespace postrider::smtp {
namespace {

using message::Recipient;
using message::Status;

std::string sender_of(std::string_view argument) {
  const Parsed<MailCommand> parsed = parse_mail(argument, false);
  if (const auto* refusal = std::get_if<Status>(&parsed)) {
    return std::to_string(refusal->code) + " " + refusal->enhanced.to_string();
  }
  return "<" + std::get<MailCommand>(parsed).envelope.sender.to_string() + ">";
}

std::string recipient_of(std::string_view argument, bool utf8 = false) {
  const Parsed<Recipient> parsed = parse_rcpt(argument, utf8);
  if (const auto* refusal = std::get_if<Status>(&parsed)) {
    return std::to_string(refusal->code) + " " + refusal->enhanced.to_string();
  }
  const message::Address& address = std::get<Recipient>(parsed).address;
  return address.local + " at " + address.domain;
}

TEST(SplitCommand, TakesTheVerbInAnyCaseAndTrimsTheArgument) {
  EXPECT_EQ(split_command("eHLo  host ").verb, Verb::kEhlo);
  EXPECT_EQ(split_command("EHLO \t host ").argument, "host");
  EXPECT_EQ(split_command("DATA").verb, Verb::kData);
  EXPECT_EQ(split_command("DATA").argument, "");
  EXPECT_EQ(split_command("NOOP\tx").verb, Verb::kNoop);
}

TEST(SplitCommand, TellsUnimplementedForeignAndUnknown) {
  EXPECT_EQ(split_command("EXPN staff").verb, Verb::kUnimplemented);
  EXPECT_EQ(split_command("GET / HTTP/1.1").verb, Verb::kHttp);
  EXPECT_EQ(split_command("DATAX").verb, Verb::kUnknown);
  EXPECT_EQ(split_command("").verb, Verb::kUnknown);
  EXPECT_EQ(split_command(" DATA").verb, Verb::kUnknown);
}

TEST(ParseMail, SenderForms) {
  EXPECT_EQ(sender_of("FROM:<a@B.Test>"), "<a@b.test>");
  EXPECT_EQ(sender_of("from: <a@b.test>"), "<a@b.test>");
  EXPECT_EQ(sender_of("FROM:<>"), "<>");
  EXPECT_EQ(sender_of(R"(FROM:<"x>y"@b.test>)"), R"(<"x>y"@b.test>)");
  EXPECT_EQ(sender_of(R"(FROM:<"x\">y"@b.test>)"), R"(<"x\">y"@b.test>)");
}

TEST(ParseMail, RefusesWhatIsNoPath) {
  for (const char* argument : {"", "FROM", "FROM:", "FROM:a@b.test", "FROM:<a@b.test",
                               "FROM:<\"a@b.test>", "FROM:<a@b.test>x", "TO:<a@b.test>"}) {
    EXPECT_EQ(sender_of(argument), "501 5.5.4") << argument;
  }
  EXPECT_EQ(sender_of("FROM:<a>"), "553 5.1.7");
  EXPECT_EQ(sender_of("FROM:<postmaster>"), "553 5.1.7");
  EXPECT_EQ(sender_of("FROM:<a@b.test\r>"), "553 5.1.7");
  EXPECT_EQ(sender_of("FROM:<" + std::string(300, 'a') + "@b.test>"), "553 5.1.7");
}

TEST(ParseMail, SourceRoutesAndUnaskedUtf8) {
  EXPECT_EQ(sender_of("FROM:<@x.test:a@b.test>"), "550 5.7.1");
  EXPECT_EQ(sender_of("FROM:<j\xc3\xb6@b.test>"), "553 5.6.7");
  EXPECT_EQ(sender_of("FROM:<j\xc3\xb6@b.test> SMTPUTF8"), "<j\xc3\xb6@b.test>");
}

TEST(ParseRcpt, RecipientForms) {
  EXPECT_EQ(recipient_of("TO:<a@b.test>"), "a at b.test");
  EXPECT_EQ(recipient_of("TO:<PostMaster>"), "postmaster at ");
  EXPECT_EQ(recipient_of("TO:<a@[192.0.2.1]>"), "a at [192.0.2.1]");
  EXPECT_EQ(recipient_of("TO:<>"), "553 5.1.3");
  EXPECT_EQ(recipient_of("TO:<@x.test:a@b.test>"), "550 5.7.1");
  EXPECT_EQ(recipient_of("TO:<j\xc3\xb6@b.test>", false), "553 5.6.7");
  EXPECT_EQ(recipient_of("TO:<j\xc3\xb6@b.test>", true), "j\xc3\xb6 at b.test");
}

TEST(ParseBdat, SizeAndLast) {
  EXPECT_EQ(parse_bdat("0")->size, 0U);
  EXPECT_FALSE(parse_bdat("10")->last);
  EXPECT_TRUE(parse_bdat("10  last")->last);
  for (const char* argument :
       {"", "x", "-1", "+1", "1x", "1 FIRST", "1 LAST x", "LAST", "18446744073709551616"}) {
    EXPECT_FALSE(parse_bdat(argument).has_value()) << argument;
  }
}

TEST(HelloName, PrintableWithoutSpaces) {
  EXPECT_TRUE(is_hello_name("[127.0.0.1]"));
  EXPECT_TRUE(is_hello_name("my_pc"));
  EXPECT_FALSE(is_hello_name(""));
  EXPECT_FALSE(is_hello_name("a b"));
  EXPECT_FALSE(is_hello_name("a\x7f"));
  EXPECT_FALSE(is_hello_name(std::string(256, 'a')));
}

}  // namespace
}  // namespace postrider::smtp
