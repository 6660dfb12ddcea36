#include "relay/auth/users.h"

#include <gtest/gtest.h>

namespace postrider::auth {
namespace {

TEST(Users, AreFoundByName) {
  const Users users({{"a", "1", ""}, {"b", "2", ""}, {"a", "3", ""}});
  ASSERT_NE(users.find("a"), nullptr);
  EXPECT_EQ(users.find("a")->password_hash, "1");
  EXPECT_EQ(users.find("A"), nullptr);
  EXPECT_EQ(users.any(4), users.find("b"));
}

TEST(Users, AreThoseOfBeforeWhileTheirCredentialsAre) {
  const auto credentials_of = [](const User& user) { return Users({user}).credentials("a"); };
  const User before{"a", "hash", "", "scram", {"dns:a.test"}, {"a.test"}};
  const std::size_t then = credentials_of(before);
  EXPECT_NE(Users({before}).find("a", then), nullptr);
  EXPECT_EQ(Users({before}).find("b", then), nullptr);
  EXPECT_EQ(Users({before}).credentials("b"), 0U);
  User other_rights = before;
  other_rights.senders = {"*"};
  EXPECT_EQ(credentials_of(other_rights), then);
  const User others[] = {{"a", "HASH", "", "scram", {"dns:a.test"}},
                         {"a", "hash", "", "SCRAM", {"dns:a.test"}},
                         {"a", "hash", "", "scram", {"dns:b.test"}},
                         {"a", "", "hash", "scram", {"dns:a.test"}}};
  for (const User& other : others) {
    EXPECT_EQ(Users({other}).find("a", then), nullptr);
  }
}

User holding(const std::string& name, std::vector<std::string> certificates) {
  User user;
  user.name = name;
  user.certificates = std::move(certificates);
  return user;
}

TEST(Users, HoldCertificates) {
  const Users users({holding("a", {"dns:a.test", "email:a@test"}), holding("b", {"dns:b.test"})});
  EXPECT_EQ(users.holder({"sha256:00", "dns:a.test"}, ""), users.find("a"));
  EXPECT_EQ(users.holder({"dns:a.test", "email:a@test"}, ""), users.find("a"));
  EXPECT_EQ(users.holder({"dns:a.test"}, "a"), users.find("a"));
  EXPECT_EQ(users.holder({"dns:a.test"}, "b"), nullptr);
  EXPECT_EQ(users.holder({"dns:A.test"}, ""), nullptr);
  EXPECT_EQ(users.holder({}, "a"), nullptr);
  EXPECT_TRUE(users.knows({"sha256:00", "dns:b.test"}));
  EXPECT_FALSE(users.knows({"sha256:00"}));
  EXPECT_FALSE(users.knows({}));
}

TEST(Users, OfSeveralHoldersTheClientMustNameOne) {
  const Users users({holding("a", {"dns:x.test"}), holding("b", {"dns:x.test", "dns:y.test"})});
  EXPECT_EQ(users.holder({"dns:x.test"}, ""), nullptr);
  EXPECT_EQ(users.holder({"dns:x.test"}, "a"), users.find("a"));
  EXPECT_EQ(users.holder({"dns:x.test"}, "b"), users.find("b"));
  EXPECT_EQ(users.holder({"dns:y.test"}, ""), users.find("b"));
}

TEST(Users, OneWithoutAPasswordStandsInForNobody) {
  const Users users({holding("a", {"dns:a.test"}), {"b", "hash", ""}});
  for (std::uint64_t number = 0; number < 4; ++number) {
    EXPECT_EQ(users.any(number), users.find("b"));
  }
  EXPECT_EQ(Users({holding("a", {"dns:a.test"})}).any(1), nullptr);
}

TEST(Users, MayBeNone) {
  EXPECT_EQ(Users().find(""), nullptr);
  EXPECT_EQ(Users().any(7), nullptr);
}

}  // namespace
}  // namespace postrider::auth
