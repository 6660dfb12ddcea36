#include "relay/signing/keyring.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/signing/example_keys.h"

namespace postrider::signing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class KeyringTest : public testing::Test {
 protected:
  // A key called by its selector.
  void add(const std::string& selector, const std::string& domain, bool subdomains = false,
           const std::string& tenant = "") {
    KeyOptions options;
    options.domain = domain;
    options.subdomains = subdomains;
    options.tenant = tenant;
    options.selector = selector;
    options.key_file = folder_.write(selector, kExampleEd25519Key);
    options_.push_back(options);
  }

  std::vector<std::string> signers(std::string_view domain, std::string_view tenant = "") {
    std::vector<std::string> selectors;
    for (const auto& signing : (*Keyring::read(options_))->find(domain, tenant)) {
      selectors.push_back(signing->selector);
    }
    return selectors;
  }

  KeyFolder folder_;
  std::vector<KeyOptions> options_;
};

TEST_F(KeyringTest, AllKeysOfADomainSign) {
  add("rsa", "example.com");
  add("ed", "example.com");
  EXPECT_THAT(signers("example.com"), ElementsAre("rsa", "ed"));
  EXPECT_THAT(signers("sub.example.com"), IsEmpty());
  EXPECT_THAT(signers("com"), IsEmpty());
  EXPECT_THAT(signers(""), IsEmpty());
  EXPECT_THAT(signers("[192.0.2.1]"), IsEmpty());
}

TEST_F(KeyringTest, SaysInWhichFormsBodiesAreSigned) {
  EXPECT_THAT(Keyring().body_forms(), IsEmpty());
  add("one", "example.com");
  add("two", "example.com");
  EXPECT_THAT((*Keyring::read(options_))->body_forms(), ElementsAre(Canonical::kRelaxed));
  add("three", "example.com");
  options_.back().canonicalization = Canonicalization::kRelaxedSimple;
  EXPECT_THAT((*Keyring::read(options_))->body_forms(),
              ElementsAre(Canonical::kRelaxed, Canonical::kSimple));
}

TEST_F(KeyringTest, TheNearestDomainSigns) {
  add("top", "example.com", true);
  add("own", "news.example.com");
  EXPECT_THAT(signers("example.com"), ElementsAre("top"));
  EXPECT_THAT(signers("a.b.example.com"), ElementsAre("top"));
  EXPECT_THAT(signers("news.example.com"), ElementsAre("own"));
  EXPECT_THAT(signers("x.news.example.com"), ElementsAre("top"));
  EXPECT_THAT(signers("notexample.com"), IsEmpty());
}

TEST_F(KeyringTest, ATenantsOwnKeysStandInFrontOfThoseOfAll) {
  add("all", "example.com");
  add("shop", "example.com", false, "shop");
  EXPECT_THAT(signers("example.com", "shop"), ElementsAre("shop"));
  EXPECT_THAT(signers("example.com", "other"), ElementsAre("all"));
  EXPECT_THAT(signers("example.com"), ElementsAre("all"));
}

TEST_F(KeyringTest, ATenantsKeySignsForNobodyElse) {
  add("shop", "example.com", true, "shop");
  EXPECT_THAT(signers("example.com", "shop"), ElementsAre("shop"));
  EXPECT_THAT(signers("a.example.com", "other"), IsEmpty());
  EXPECT_THAT(signers("example.com"), IsEmpty());
}

TEST_F(KeyringTest, TheOptionsMakeTheSigning) {
  add("s", "example.com");
  options_[0].headers = {"X-Mailer"};
  options_[0].canonicalization = Canonicalization::kRelaxedSimple;
  const auto signing = (*Keyring::read(options_))->find("example.com", "")[0];
  EXPECT_EQ(signing->header, Canonical::kRelaxed);
  EXPECT_EQ(signing->body, Canonical::kSimple);
  EXPECT_THAT(signing->more_fields, ElementsAre("x-mailer"));
}

TEST_F(KeyringTest, AKeyThatCannotBeReadIsAnError) {
  add("s", "example.com");
  options_[0].key_file += ".not";
  EXPECT_THAT(Keyring::read(options_).error().text(), HasSubstr("s.not"));
}

TEST_F(KeyringTest, ABadKeyLeavesTheOldOne) {
  add("a", "a.example");
  add("b", "b.example");
  const auto before = *Keyring::read(options_);
  const auto key_of = [](const Keyring& ring, const char* domain) {
    return ring.find(domain, "")[0]->key->record();
  };
  (void)folder_.write("a", kExampleRsaKey);
  (void)folder_.write("b", "damaged");
  std::vector<Error> problems;
  const auto after = before->read_again(problems);
  EXPECT_EQ(after->size(), 2U);
  EXPECT_EQ(key_of(*after, "a.example"), kExampleRsaRecord);
  EXPECT_EQ(key_of(*after, "b.example"), kExampleEd25519Record);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems[0].text(), HasSubstr("/b: it holds no PEM private key"));
  EXPECT_EQ(key_of(*before, "a.example"), kExampleEd25519Record);
}

}  // namespace
}  // namespace postrider::signing
