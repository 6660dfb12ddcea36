#include <gtest/gtest.h>

#include "relay/signing/canonical.h"
#include "tests/unit/relay/config/coverage.h"

namespace postrider::config {
namespace {

TEST(RowsSigning, EveryMemberHasARow) {
  Config config;
  signing::KeyOptions key;
  const Record record{&config, nullptr, nullptr, nullptr, &key};
  EXPECT_EQ(members_without_row(config.signing, record, {}, {"keys: entries of [[dkim]]"}), 0);
  EXPECT_EQ(members_without_row(key, record), 0);
}

TEST(RowsSigning, TheCanonicalizationsAreThoseOfTheTag) {
  const Option* option = find_option("dkim", "canonicalization");
  ASSERT_NE(option, nullptr);
  std::vector<std::string> names;
  for (const auto header : {signing::Canonical::kRelaxed, signing::Canonical::kSimple}) {
    for (const auto body : {signing::Canonical::kRelaxed, signing::Canonical::kSimple}) {
      names.push_back(std::string(name_of(header)) + "/" + std::string(name_of(body)));
    }
  }
  EXPECT_EQ(std::vector<std::string>(option->choices.begin(), option->choices.end()), names);
}

}  // namespace
}  // namespace postrider::config
