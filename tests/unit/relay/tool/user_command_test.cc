#include "relay/tool/user_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/auth/password.h"
#include "relay/config/config.h"
#include "tests/unit/relay/tool/tool_run.h"

namespace postrider::tool {
namespace {

using testing::HasSubstr;

TEST(UserHash, PrintsAHashAndTheLinesToPaste) {
  const TypedInput input("correct horse\n");
  const Said said = run_tool({"user", "hash", "--name", "app"});
  EXPECT_EQ(said.code, kDone) << said.err;
  const std::string hash = said.out.substr(0, said.out.find('\n'));
  EXPECT_TRUE(auth::verify_password("correct horse", hash));
  const auto loaded = config::load_text(said.out.substr(hash.size()), "t");
  ASSERT_EQ(loaded.config.auth.users.size(), 1U);
  EXPECT_EQ(loaded.config.auth.users[0].name, "app");
  EXPECT_EQ(loaded.config.auth.users[0].password_hash, hash);
}

TEST(UserHash, RefusesAnEmptyPassword) {
  const TypedInput input("\n");
  const Said said = run_tool({"user", "hash"});
  EXPECT_EQ(said.code, kFailed);
  EXPECT_THAT(said.err, HasSubstr("an empty password protects nothing"));
  EXPECT_EQ(said.out, "");
}

TEST(UserHash, RefusesNoInput) {
  const TypedInput input("");
  EXPECT_EQ(run_tool({"user", "hash"}).code, kFailed);
}

}  // namespace
}  // namespace postrider::tool
