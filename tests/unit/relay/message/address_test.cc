#include "relay/message/address.h"

#include <array>
#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "relay/message/utf8.h"

namespace postrider::message {
namespace {

void expect_mailbox(std::string_view text, std::string_view local, std::string_view domain,
                    bool utf8 = false) {
  const auto address = parse_mailbox(text, utf8);
  ASSERT_TRUE(address) << text << ": " << address.error().text();
  EXPECT_EQ(address->local, local) << text;
  EXPECT_EQ(address->domain, domain) << text;
}

void expect_refused(std::string_view text, std::string_view why, bool utf8 = false) {
  const auto address = parse_mailbox(text, utf8);
  ASSERT_FALSE(address) << text << " became " << address->to_string();
  EXPECT_NE(address.error().text().find(why), std::string::npos) << address.error().text();
}

TEST(Mailbox, KeepsTheLocalPartAndNormalizesTheDomain) {
  expect_mailbox("Bob.Smith@Example.ORG", "Bob.Smith", "example.org");
  expect_mailbox("a@b", "a", "b");
  expect_mailbox("!#$%&'*+-/=?^_`{|}~@x.example", "!#$%&'*+-/=?^_`{|}~", "x.example");
  expect_mailbox("user%host!path@x.example", "user%host!path", "x.example");
  expect_mailbox("a@_spf.x-y.example", "a", "_spf.x-y.example");
}

TEST(Mailbox, TakesQuotedLocalPartsAsTheyAre) {
  expect_mailbox(R"("a b@c"@x.example)", R"("a b@c")", "x.example");
  expect_mailbox(R"("a\"b\\c"@x.example)", R"("a\"b\\c")", "x.example");
  expect_mailbox(R"(""@x.example)", R"("")", "x.example");
  expect_mailbox(R"("."@x.example)", R"(".")", "x.example");
}

TEST(Mailbox, RefusesBrokenLocalParts) {
  expect_refused("", "empty");
  expect_refused("@x.example", "local part is empty");
  expect_refused(".a@x.example", "dot");
  expect_refused("a.@x.example", "dot");
  expect_refused("a..b@x.example", "dot");
  expect_refused("a b@x.example", "quoted");
  expect_refused("a\"b@x.example", "quoted");
  expect_refused("<a@x.example>", "quoted");
  expect_refused("@relay.example:a@x.example", "local part is empty");
  expect_refused(R"("a@x.example)", "closing quote");
  expect_refused(R"("a\)", "closing quote");
  expect_refused(R"("a"b@x.example)", "not followed by @");
  expect_refused(R"("a"."b"@x.example)", "not followed by @");
}

TEST(Mailbox, RefusesBrokenDomains) {
  expect_refused("a", "no domain");
  expect_refused("a@", "domain is empty");
  expect_refused("a@.", "dot");
  expect_refused("a@x.example.", "dot");
  expect_refused("a@x..example", "empty label");
  expect_refused("a@-x.example", "hyphen");
  expect_refused("a@x-.example", "hyphen");
  expect_refused("a@b@c.example", "not allowed");
  expect_refused("a@x.example ", "not allowed");
  expect_refused("a@(c)x.example", "not allowed");
}

TEST(Mailbox, HoldsToTheLengthsOfRfc5321) {
  const std::string domain = std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                             std::string(63, 'c') + "." + std::string(63, 'd');
  ASSERT_EQ(domain.size(), kDomainMax);
  expect_mailbox(std::string(64, 'l') + "@" + domain, std::string(64, 'l'), domain);
  expect_refused(std::string(65, 'l') + "@x.example", "64 octets");
  expect_refused("\"" + std::string(63, 'l') + "\"@x.example", "64 octets");
  expect_refused("a@" + std::string(64, 'a') + ".example", "63 octets");
  expect_refused("a@" + domain.substr(0, 253) + ".aa", "255 octets");
  expect_refused("a@" + std::string(1 << 20, 'a'), "255 octets");
}

TEST(Mailbox, RefusesControlCharactersEverywhere) {
  for (int c = 0; c < 32; ++c) {
    const std::string control(1, static_cast<char>(c));
    expect_refused("a" + control + "b@x.example", "control");
    expect_refused("\"a" + control + "b\"@x.example", "control");
    expect_refused("\"a\\" + control + "b\"@x.example", "control");
    expect_refused("a@x" + control + ".example", "control");
    expect_refused("a@[192.0.2.1" + control + "]", "control");
  }
  expect_refused("\"a\x7f\"@x.example", "control");
  expect_refused("\"a\xc2\x85\"@x.example", "control", true);
}

TEST(Mailbox, TakesAddressLiteralsInNormalForm) {
  expect_mailbox("a@[192.0.2.1]", "a", "[192.0.2.1]");
  expect_mailbox("a@[ipv6:2001:DB8:0::1]", "a", "[IPv6:2001:db8::1]");
  expect_mailbox("a@[IPv6:::ffff:192.0.2.1]", "a", "[192.0.2.1]");
  for (const char* bad : {"a@[]", "a@[192.0.2]", "a@[192.0.2.256]", "a@[2001:db8::1]",
                          "a@[IPv6:192.0.2.1]", "a@[IPv6:]", "a@[192.0.2.1", "a@[192.0.2.1]x",
                          "a@[IPv6:fe80::1%eth0]", "a@[tag:text]", "a@[ 192.0.2.1]"}) {
    expect_refused(bad, "address literal");
  }
}

TEST(Mailbox, TakesBarePostmasterOnly) {
  expect_mailbox("postmaster", "postmaster", "");
  expect_mailbox("PostMaster", "postmaster", "");
  expect_refused("postmaster2", "no domain");
  expect_refused("\"postmaster\"", "no domain");
}

TEST(Mailbox, TakesNonAsciiOnlyWithSmtputf8) {
  expect_mailbox("j\xc3\xb6rg@x.example", "j\xc3\xb6rg", "x.example", true);
  expect_mailbox("\"\xe7\x94\xa8 \xe6\x88\xb7\"@x.example", "\"\xe7\x94\xa8 \xe6\x88\xb7\"",
                 "x.example", true);
  expect_mailbox(
      "a@B\xc3\xbc"
      "cher.example",
      "a", "xn--bcher-kva.example", true);
  expect_refused("j\xc3\xb6rg@x.example", "SMTPUTF8");
  expect_refused(
      "a@b\xc3\xbc"
      "cher.example",
      "SMTPUTF8");
  expect_refused("\"\\\xc3\xb6\"@x.example", "backslash", true);
}

TEST(Mailbox, RefusesIllFormedUtf8) {
  for (const char* bad : {"\xc3@x.example", "\xc0\xaf@x.example", "\xed\xa0\x80@x.example",
                          "\xf4\x90\x80\x80@x.example", "a@\xff.example"}) {
    expect_refused(bad, "UTF-8", true);
  }
}

TEST(Mailbox, NullSenderIsTheEmptyText) {
  EXPECT_TRUE(Address{}.is_null());
  EXPECT_EQ(Address{}.to_string(), "");
  EXPECT_FALSE((Address{"postmaster", ""}.is_null()));
  EXPECT_EQ((Address{"postmaster", ""}.to_string()), "postmaster");
}

// Text from pieces that the grammar cares about, so that a good part of it is valid.
class MailboxProperty : public ::testing::Test {
 protected:
  MailboxProperty() : generator_(seed_) {}

  std::string text() {
    constexpr std::array<std::string_view, 32> kPieces = {"a",
                                                          "B",
                                                          "9",
                                                          ".",
                                                          "@",
                                                          "@",
                                                          "\"",
                                                          "\\",
                                                          " ",
                                                          "-",
                                                          "_",
                                                          "+",
                                                          "example",
                                                          ".org",
                                                          "[192.0.2.1]",
                                                          "[IPv6:2001:db8::1]",
                                                          "\xc3\xb6",
                                                          "\xc3",
                                                          "\xe4\xbe\x8b",
                                                          "xn--",
                                                          "xn--bcher-kva",
                                                          "postmaster",
                                                          "%",
                                                          "!",
                                                          "<",
                                                          ">",
                                                          "\r\n",
                                                          std::string_view("\0", 1),
                                                          "\x7f",
                                                          "\xc2\x85",
                                                          "a@x.example",
                                                          "\"q q\"@"};
    std::string out;
    for (std::size_t n = 1 + generator_() % 7; n > 0; --n) out += kPieces[generator_() % 32];
    return out;
  }

  bool coin() { return generator_() % 2 == 0; }

  const std::mt19937_64::result_type seed_ = std::random_device{}();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};

 private:
  std::mt19937_64 generator_;
};

TEST_F(MailboxProperty, TheTextFormParsesToTheSameValue) {
  unsigned accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string input = text();
    const bool utf8 = coin();
    const auto address = parse_mailbox(input, utf8);
    if (!address) continue;
    ++accepted;
    const std::string shown = address->to_string();
    EXPECT_FALSE(has_control(shown)) << input;
    EXPECT_TRUE(is_ascii(address->domain)) << input;
    EXPECT_TRUE(utf8 || is_ascii(shown)) << input;
    const auto again = parse_mailbox(shown, utf8);
    ASSERT_TRUE(again) << shown << ": " << again.error().text();
    EXPECT_EQ(*again, *address) << input;
  }
  EXPECT_GT(accepted, 200U) << "the generator has to reach what is accepted";
}

}  // namespace
}  // namespace postrider::message
