#include "relay/submission/signature_choice.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/signing/example_keys.h"

namespace postrider::submission {
namespace {

class SignatureChoiceTest : public testing::Test {
 protected:
  SignatureChoiceTest() : signer_({}, make_keys()) {}

  std::shared_ptr<const signing::Keyring> make_keys() {
    signing::KeyOptions key;
    key.domain = "a.example";
    key.selector = "s";
    key.key_file = folder_.write("k", signing::kExampleEd25519Key);
    return *signing::Keyring::read({key});
  }

  // "signed", "unsigned", or the words of the denial.
  std::string choose(const std::string& fields) {
    signing::Signings chosen;
    const auto denied = choose_signatures(options_, signer_, message::HeaderSection(fields), user_,
                                          envelope_, chosen);
    if (denied) return denied->status.text;
    return chosen.empty() ? "unsigned" : "signed";
  }

  signing::KeyFolder folder_;
  signing::Signer signer_;
  Options options_;
  auth::User app_;
  const auth::User* user_ = nullptr;
  message::Envelope envelope_;
};

constexpr const char* kDemanded = "A DKIM signature is required for ";

TEST_F(SignatureChoiceTest, TheDomainOfTheAuthorChooses) {
  EXPECT_EQ(choose("From: x <u@A.example>\r\n"), "signed");
  EXPECT_EQ(choose("From: u@a.example, u@b.example\r\n"), "signed");
  EXPECT_EQ(choose("From: u@b.example, u@a.example\r\n"), "unsigned");
  EXPECT_EQ(choose("From: u@b.example\r\n"), "unsigned");
}

TEST_F(SignatureChoiceTest, WhatIsNoMessageStaysUnsigned) {
  EXPECT_EQ(choose("Subject: x\r\n"), "unsigned");
  EXPECT_EQ(choose("From: nobody\r\n"), "unsigned");
  EXPECT_EQ(choose("From: u@a.example\r\nFrom: u@a.example\r\n"), "unsigned");
}

TEST_F(SignatureChoiceTest, WhatIsTooMuchToSignStaysUnsignedUnlessItIsDemanded) {
  std::string many = "From: u@a.example\r\n";
  for (int i = 0; i < 250; ++i) many += "Received: x\r\nX: y\r\n";
  EXPECT_EQ(choose(many), "signed");
  for (int i = 0; i < 250; ++i) many += "To: x\r\n";
  EXPECT_EQ(choose(many), "unsigned");
  options_.signature_authors = {"a.example"};
  EXPECT_EQ(choose(many),
            kDemanded + std::string("messages from a.example: more than 250 of its fields are to "
                                    "be signed"));
}

TEST_F(SignatureChoiceTest, ADemandOfAUserIsKept) {
  user_ = &app_;
  EXPECT_EQ(choose("From: u@b.example\r\n"), "unsigned");
  app_.signature_required = true;
  EXPECT_EQ(choose("From: u@a.example\r\n"), "signed");
  EXPECT_EQ(choose("From: u@b.example\r\n"),
            kDemanded + std::string("this user's messages: there is no DKIM key for b.example"));
}

TEST_F(SignatureChoiceTest, ADemandOfATenantIsKept) {
  options_.signature_tenants = {"shop"};
  EXPECT_EQ(choose("From: u@b.example\r\n"), "unsigned");
  envelope_.tenant = "shop";
  EXPECT_EQ(choose("From: u@b.example\r\n"),
            kDemanded + std::string("messages of tenant shop: there is no DKIM key for b.example"));
}

TEST_F(SignatureChoiceTest, ADemandOfAnAuthorIsKept) {
  options_.signature_authors = {"b.example"};
  EXPECT_EQ(choose("From: u@c.example\r\n"), "unsigned");
  EXPECT_EQ(choose("From: u@c.example, u@b.example\r\n"),
            kDemanded + std::string("messages from b.example: there is no DKIM key for c.example"));
  EXPECT_EQ(choose("From: u@b.example\r\nFrom: u@b.example\r\n"),
            kDemanded + std::string("messages from b.example: it has more than one From field"));
}

TEST_F(SignatureChoiceTest, EveryMessageIncludesThoseWithoutAnAuthor) {
  options_.signature_authors = {"*"};
  EXPECT_EQ(choose("From: u@a.example\r\n"), "signed");
  EXPECT_EQ(choose("Subject: x\r\n"),
            kDemanded + std::string("every message: it has no From field"));
  EXPECT_EQ(choose("From: nobody\r\n"),
            kDemanded + std::string("every message: its From field holds no plain address"));
}

TEST_F(SignatureChoiceTest, AnUnknownAuthorMayBeOneOfThose) {
  options_.signature_authors = {"b.example"};
  const std::string demanded = std::string(kDemanded) + "messages of an unknown author: ";
  EXPECT_EQ(choose("Subject: x\r\n"), demanded + "it has no From field");
  EXPECT_EQ(choose("From: x <u@b.example> (x\r\n"),
            demanded + "its From field holds no plain address");
  EXPECT_EQ(choose("From: u@c.example, Dept. X <u@b.example> .\r\n"),
            demanded + "its From field holds no plain address");
  EXPECT_EQ(choose("From: u@c.example\r\nFrom: <u@b.example\r\n"),
            demanded + "it has more than one From field");
  EXPECT_EQ(choose("From\r\n : u@b.example\r\n"),
            demanded + "its header section has a line that is no field");
  EXPECT_EQ(choose("From: u@b.example: u@c.example;\r\n"),
            demanded + "there is no DKIM key for c.example");
  EXPECT_EQ(choose("From: u@c.example\r\n"), "unsigned");
}

// Whatever the order: the first author's domain signs, and answers for no other.
TEST_F(SignatureChoiceTest, ADemandOfAnAuthorIsMetByItsOwnDomain) {
  options_.signature_authors = {"b.example"};
  const std::string denial = std::string(kDemanded) + "messages from b.example: ";
  EXPECT_EQ(choose("From: u@b.example, u@a.example\r\n"),
            denial + "there is no DKIM key for b.example");
  EXPECT_EQ(choose("From: u@a.example, u@b.example\r\n"),
            denial + "it would be signed for a.example alone, the domain of its first author");
  EXPECT_EQ(choose("From: u@a.example, u@c.example\r\n"), "signed");
  options_.signature_authors = {"a.example"};
  EXPECT_EQ(choose("From: u@a.example, U <v@a.example>\r\n"), "signed");
  options_.signature_authors = {"*"};
  EXPECT_EQ(choose("From: u@a.example, u@b.example\r\n"), "signed");
}

// Some mail programs show the name alone.
TEST_F(SignatureChoiceTest, AnAddressShownAsANameIsAnAuthor) {
  options_.signature_authors = {"b.example"};
  const std::string denial = std::string(kDemanded) + "messages from b.example: ";
  EXPECT_EQ(choose("From: u@b.example <u@a.example>\r\n"),
            denial + "it would be signed for a.example alone, the domain of its first author");
  EXPECT_EQ(choose("From: u@b.example <u@c.example>\r\n"),
            denial + "there is no DKIM key for c.example");
  EXPECT_EQ(choose("From: u@c.example <u@a.example>\r\n"), "signed");
}

TEST_F(SignatureChoiceTest, ForAnUnknownAuthorNoDomainAnswers) {
  const std::string text = "From: u@b.example: u@a.example;\r\n";
  EXPECT_EQ(choose(text), "signed");
  options_.signature_authors = {"b.example"};
  EXPECT_EQ(choose(text),
            std::string(kDemanded) +
                "messages of an unknown author: mail programs may read its From field in "
                "different ways");
  options_.signature_authors = {"*"};
  EXPECT_EQ(choose(text), "signed");
}

TEST_F(SignatureChoiceTest, AnAuthorThatIsNotAsciiNeedsSmtpUtf8) {
  options_.signature_authors = {"b\u00fccher.example"};
  const std::string text = "From: u@b\u00fccher.example\r\n";
  EXPECT_EQ(choose(text), std::string(kDemanded) +
                              "messages of an unknown author: its From field "
                              "holds no plain address");
  envelope_.smtputf8 = true;
  EXPECT_EQ(choose(text), std::string(kDemanded) +
                              "messages from xn--bcher-kva.example: there is "
                              "no DKIM key for xn--bcher-kva.example");
}

}  // namespace
}  // namespace postrider::submission
