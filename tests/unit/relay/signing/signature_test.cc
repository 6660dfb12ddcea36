#include "relay/signing/signature.h"

#include <algorithm>
#include <gmock/gmock.h>

#include "relay/base/ascii.h"
#include "tests/unit/relay/signing/example_keys.h"

namespace postrider::signing {
namespace {

using message::Body;
using message::HeaderSection;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr WallTime kNow{std::chrono::seconds(1528637909)};

std::shared_ptr<Signing> signing_with(const char* pem) {
  auto signing = std::make_shared<Signing>();
  signing->key = *Key::parse(pem, "k");
  signing->domain = "football.example.com";
  signing->selector = "test";
  return signing;
}

std::string signed_with(const Signings& signings, const std::string& header,
                        const std::string& body = kExampleBody) {
  auto fields = signature_fields(signings, HeaderSection(header), Body(body), kNow);
  return fields ? *fields : "error: " + fields.error().text();
}

// The value of a tag, unfolded.
std::string tag(const std::string& field, const std::string& name) {
  const std::size_t at = field.find(" " + name + "=");
  if (at == std::string::npos) return "none";
  const std::size_t from = at + name.size() + 2;
  std::string value = field.substr(from, field.find(';', from) - from);
  std::erase_if(value, [](char c) { return c == ' ' || c == '\r' || c == '\n'; });
  return value;
}

std::size_t times(const std::string& names, const std::string& name) {
  const auto all = ascii::split(names, ':');
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), name));
}

// RFC 8463 appendix A: both algorithms sign without chance, so the signatures must be those.
TEST(Signature, TheExampleOfTheRfc) {
  const std::string begin = "DKIM-Signature: v=1; a=";
  const std::string middle =
      "-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
      " q=dns/txt; s=";
  const std::string hash = " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
  const std::vector<std::string> names = {"from",       "to",   "subject", "date",
                                          "message-id", "from", "subject", "date"};
  const HeaderSection header(kExampleHeader);
  const auto sign = [&](const char* key, const std::string& field) {
    const Digest digest = header_digest(Canonical::kRelaxed, header, names, field);
    return ascii::base64_encode(*(*Key::parse(key, "k"))->sign(digest));
  };
  EXPECT_EQ(sign(kExampleEd25519Key,
                 begin + "ed25519" + middle +
                     "brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : "
                     "from : subject : date;\r\n" +
                     hash),
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq"
            "+eXdp1Q1Dw==");
  EXPECT_EQ(sign(kExampleRsaKey, begin + "rsa" + middle +
                                     "test; t=1528637909; h=from : to : subject :\r\n date : "
                                     "message-id : from : subject : date;\r\n" +
                                     hash),
            "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF"
            "3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4Lj"
            "FYNcUxZQ4FADY+8=");
  const std::string ours = signed_with({signing_with(kExampleRsaKey)}, kExampleHeader);
  EXPECT_EQ(tag(ours, "bh"), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

TEST(Signature, SaysWhatItIs) {
  const std::string field = signed_with({signing_with(kExampleRsaKey)}, kExampleHeader);
  EXPECT_THAT(field, StartsWith("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;"));
  EXPECT_EQ(tag(field, "d"), "football.example.com");
  EXPECT_EQ(tag(field, "s"), "test");
  EXPECT_EQ(tag(field, "t"), "1528637909");
  EXPECT_EQ(tag(field, "l"), "none");
  // RFC 6376 section 3.6.1: what is signed over is in the field up to its "b=".
  const std::string up_to = field.substr(0, field.find(" b=") + 3);
  const std::string listed = tag(field, "h");
  const auto names = ascii::split(listed, ':');
  const Digest digest = header_digest(Canonical::kRelaxed, HeaderSection(kExampleHeader),
                                      {names.begin(), names.end()}, up_to);
  EXPECT_EQ(tag(field, "b"),
            ascii::base64_encode(*(*Key::parse(kExampleRsaKey, "k"))->sign(digest)));
}

TEST(Signature, NobodyCanAddAFieldThatCounts) {
  const std::string names =
      tag(signed_with({signing_with(kExampleEd25519Key)},
                      "From: a@b.example\r\nTo: x@y.example\r\nTo: z@y.example\r\n"
                      "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Id: <l>\r\n"
                      "Received: from x\r\nX-Other: y\r\n\r\n"),
          "h");
  EXPECT_EQ(times(names, "from"), 2U);
  EXPECT_EQ(times(names, "subject"), 1U);
  EXPECT_EQ(times(names, "to"), 3U);
  EXPECT_EQ(times(names, "list-unsubscribe"), 1U);
  EXPECT_EQ(times(names, "list-unsubscribe-post"), 2U);
  EXPECT_EQ(times(names, "list-id"), 1U);
  EXPECT_EQ(times(names, "received"), 0U);
  EXPECT_EQ(times(names, "x-other"), 0U);
}

TEST(Signature, MoreFieldsAreSignedOnce) {
  EXPECT_THAT(signed_names(HeaderSection("X-Other: a\r\nFrom: a@b.example\r\nX-OTHER: b\r\n\r\n"),
                           {"x-other", "from", "x-none", "list-id", "x-other"}),
              ElementsAre("from", "from", "reply-to", "subject", "date", "to", "cc", "message-id",
                          "mime-version", "content-type", "content-transfer-encoding",
                          "list-unsubscribe", "list-unsubscribe-post", "x-other", "x-other"));
}

// RFC 6376 section 5.4.2: of fields with one name the lowest is signed first.
TEST(Signature, FieldsAreTakenFromTheBottom) {
  const auto digest = [](const std::string& header, const std::vector<std::string>& names) {
    return header_digest(Canonical::kSimple, HeaderSection(header), names, "S: b=");
  };
  EXPECT_EQ(digest("A: 1\r\nA: 2\r\n\r\n", {"a"}), digest("A: 0\r\nA: 2\r\n\r\n", {"a"}));
  EXPECT_NE(digest("A: 1\r\nA: 2\r\n\r\n", {"a"}), digest("A: 2\r\nA: 1\r\n\r\n", {"a"}));
  EXPECT_EQ(digest("A: 1\r\n\r\n", {"a", "a"}), digest("A: 1\r\n\r\n", {"a"}));
  EXPECT_NE(digest("A: 1\r\nA: 1\r\n\r\n", {"a", "a"}), digest("A: 1\r\n\r\n", {"a", "a"}));
}

TEST(Signature, LinesAreShort) {
  auto signing = signing_with(kExampleRsaKey);
  signing->selector = std::string(60, 's');
  signing->domain = std::string(60, 'd') + ".example";
  std::string header = "From: a@b.example\r\n";
  for (int i = 0; i < 30; ++i) {
    signing->more_fields.push_back("x-name-" + std::to_string(i));
    header += "X-Name-" + std::to_string(i) + ": v\r\n";
  }
  const std::string fields = signed_with({signing, signing_with(kExampleEd25519Key)}, header);
  for (const std::string_view line : ascii::split(fields, '\n')) {
    EXPECT_LE(line.size(), 78U) << line;  // the CR counted
    EXPECT_NE(ascii::trim(line), "\r") << "a line of blanks";
  }
  const std::string names = tag(fields, "h");
  EXPECT_EQ(ascii::split(names, ':').size(), 43U);
}

TEST(Signature, EachSigningHasItsField) {
  auto simple = signing_with(kExampleEd25519Key);
  simple->header = simple->body = Canonical::kSimple;
  const std::string fields =
      signed_with({signing_with(kExampleRsaKey), simple}, kExampleHeader, "a  b\r\n\r\n");
  const std::size_t second = fields.find("\r\nDKIM-Signature:");
  ASSERT_NE(second, std::string::npos);
  EXPECT_THAT(fields.substr(second), HasSubstr("a=ed25519-sha256; c=simple/simple;"));
  Sha256 sha;
  sha.update("a  b\r\n");
  const Digest digest = sha.finish();
  EXPECT_EQ(tag(fields.substr(second), "bh"),
            ascii::base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()}));
  EXPECT_TRUE(fields.ends_with("\r\n"));
}

TEST(Signature, ChunksOfTheBodyMakeNoDifference) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "line  " + std::to_string(i) + " \r\n";
  Body chunks;
  for (std::size_t at = 0; at < text.size(); at += 777) {
    chunks.append(Chunk(text.substr(at, 777)));
  }
  const Signings signings = {signing_with(kExampleEd25519Key)};
  const HeaderSection header(kExampleHeader);
  EXPECT_EQ(*signature_fields(signings, header, chunks, kNow),
            *signature_fields(signings, header, Body(text), kNow));
}

// The hash of a body may be begun before its end is there.
TEST(Signature, WhereTheHashWasBegunMakesNoDifference) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "line  " + std::to_string(i) + " \r\n\r\n";
  auto simple = signing_with(kExampleEd25519Key);
  simple->body = Canonical::kSimple;
  const Signings signings = {signing_with(kExampleEd25519Key), simple};
  const HeaderSection header(kExampleHeader);
  const std::string whole = *signature_fields(signings, header, Body(text), kNow);
  for (std::size_t at = 0; at <= text.size(); ++at) {
    BodyDigests begun({Canonical::kRelaxed, Canonical::kSimple});
    begun.feed(Body(text.substr(0, at)));
    const Body rest(text.substr(at));
    EXPECT_EQ(*signature_fields(signings, header, rest, kNow, std::move(begun)), whole) << at;
  }
}

TEST(Signature, AHashThatWasBegunInAnotherFormIsNoUse) {
  const auto fields =
      signature_fields({signing_with(kExampleEd25519Key)}, HeaderSection(kExampleHeader),
                       Body("x\r\n"), kNow, BodyDigests({Canonical::kSimple}));
  ASSERT_FALSE(fields);
  EXPECT_EQ(fields.error().text(), "its body was not hashed in the form of this key");
}

TEST(Signature, WhatIsNoMessageIsNotSigned) {
  const Signings signings = {signing_with(kExampleEd25519Key)};
  EXPECT_EQ(signed_with(signings, "Subject: x\r\n\r\n"), "error: it has no From field");
  EXPECT_EQ(signed_with(signings, "From: a@b.example\r\nFROM : a@b.example\r\n\r\n"),
            "error: it has more than one From field");
  EXPECT_EQ(signed_with(signings, "From: a@b.example\r\nno field\r\n\r\n"),
            "error: its header section has a line that is no field");
  std::string many = "From: a@b.example\r\n";
  for (int i = 0; i < 250; ++i) many += "To: x\r\n";
  EXPECT_EQ(signed_with(signings, many), "error: more than 250 of its fields are to be signed");
}

// What is not worth signing does not count.
TEST(Signature, AMessageOfManyFieldsIsSigned) {
  auto signing = signing_with(kExampleEd25519Key);
  std::string many = "From: a@b.example\r\n";
  for (int i = 0; i < 300; ++i) many += "X-Many: x\r\n";
  EXPECT_THAT(signed_with({signing}, many), StartsWith("DKIM-Signature: v=1;"));
  signing->more_fields = {"x-many"};
  EXPECT_EQ(signed_with({signing}, many), "error: more than 250 of its fields are to be signed");
}

}  // namespace
}  // namespace postrider::signing
