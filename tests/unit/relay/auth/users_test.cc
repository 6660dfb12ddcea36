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

TEST(Users, MayBeNone) {
  EXPECT_EQ(Users().find(""), nullptr);
  EXPECT_EQ(Users().any(7), nullptr);
}

}  // namespace
}  // namespace postrider::auth
