#include "relay/tool/user_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/auth/password.h"
#include "relay/auth/scram.h"
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

class UserCommandTest : public testing::Test {
 protected:
  Said user(std::vector<std::string> arguments, const std::string& password = "") {
    const TypedInput input(password);
    arguments.insert(arguments.begin(), "user");
    arguments.insert(arguments.end(), {"--file", folder_.path("users.toml")});
    return run_tool(arguments);
  }

  [[nodiscard]] std::vector<auth::User> users() const {
    return config::load_users(folder_.path("users.toml")).users;
  }

  Folder folder_;
};

TEST_F(UserCommandTest, AddsChangesListsAndRemoves) {
  Said said =
      user({"add", "shop", "--sender", "b.test", "--sender", "*.b.test"}, "correct horse\n");
  ASSERT_EQ(said.code, kDone) << said.err;
  EXPECT_EQ(said.out, "added 'shop'\n");
  ASSERT_EQ(users().size(), 1U);
  EXPECT_TRUE(auth::verify_password("correct horse", users()[0].password_hash));
  EXPECT_TRUE(auth::parse_scram_verifier(users()[0].scram_verifier));

  EXPECT_EQ(user({"passwd", "shop", "--no-scram"}, "other\n").code, kDone);
  EXPECT_TRUE(auth::verify_password("other", users()[0].password_hash));
  EXPECT_EQ(users()[0].scram_verifier, "");

  said = user({"list"});
  EXPECT_EQ(said.out,
            "NAME  LOGIN WITH   TENANT  PRIORITY  SENDERS\n"
            "shop  PLAIN LOGIN  -       normal    b.test *.b.test\n");
  EXPECT_EQ(user({"remove", "shop"}).code, kDone);
  EXPECT_EQ(user({"list"}).out, "there are no users\n");
}

TEST_F(UserCommandTest, TheHighestPriorityIsABand) {
  ASSERT_EQ(user({"add", "shop", "--sender", "*", "--priority-max", "high"}, "secret\n").code,
            kDone);
  EXPECT_EQ(users().at(0).priority_max, message::Band::kHigh);
  EXPECT_THAT(user({"list"}).out, HasSubstr("  high  "));
  const Said said = user({"add", "x", "--sender", "*", "--priority-max", "9"}, "secret\n");
  EXPECT_EQ(said.code, kFailed);
  EXPECT_THAT(said.err, HasSubstr("is none of \"low\", \"normal\""));
}

TEST_F(UserCommandTest, ACertificateCanStandForAPassword) {
  Said said = user({"add", "app", "--sender", "b.test", "--certificate", "dns:app.b.test",
                    "--certificate", "email:app@b.test", "--no-password"});
  ASSERT_EQ(said.code, kDone) << said.err;
  ASSERT_EQ(users().size(), 1U);
  EXPECT_EQ(users()[0].certificates,
            (std::vector<std::string>{"dns:app.b.test", "email:app@b.test"}));
  EXPECT_FALSE(users()[0].has_password());
  EXPECT_EQ(user({"list"}).out,
            "NAME  LOGIN WITH  TENANT  PRIORITY  SENDERS\n"
            "app   EXTERNAL    -       normal    b.test\n");
  EXPECT_EQ(user({"passwd", "app", "--no-scram"}, "other\n").code, kDone);
  EXPECT_THAT(user({"list"}).out, HasSubstr("PLAIN LOGIN EXTERNAL"));
  EXPECT_EQ(user({"add", "x", "--sender", "*", "--no-password"}).code, kFailed);
  EXPECT_EQ(user({"add", "x", "--sender", "*", "--certificate", "x"}, "y\n").code, kFailed);
}

TEST_F(UserCommandTest, NeverPrintsASecret) {
  Said said =
      user({"add", "shop", "--sender", "b.test", "--sender", "*.b.test"}, "correct horse\n");
  const Said listed = user({"list"});
  said.out += said.err + listed.out + listed.err;
  EXPECT_THAT(said.out, testing::Not(HasSubstr("correct horse")));
  EXPECT_THAT(said.out, testing::Not(HasSubstr("$")));
}

TEST_F(UserCommandTest, RefusesWhatMakesNoSense) {
  EXPECT_EQ(user({"add", "shop", "--sender", "b.test", "--sender", "*.b.test"}, "x\n").code, kDone);
  Said said = user({"add", "shop", "--sender", "b.test", "--sender", "*.b.test"}, "x\n");
  EXPECT_EQ(said.code, kFailed);
  EXPECT_THAT(said.err, HasSubstr("there is a user 'shop' already"));
  EXPECT_EQ(user({"remove", "nobody"}).code, kFailed);
  EXPECT_EQ(user({"passwd", "nobody"}, "x\n").code, kFailed);
  EXPECT_EQ(user({"add", "two\nlines", "--sender", "*"}, "x\n").code, kFailed);
  EXPECT_EQ(user({"add", "empty", "--sender", "*"}, "\n").code, kFailed);
  EXPECT_EQ(user({"add"}).code, kUsage);
  EXPECT_EQ(user({"add", "other"}, "x\n").code, kUsage);  // in whose name?
  EXPECT_EQ(user({"add", "other", "--sender", "not a domain"}, "x\n").code, kFailed);
  EXPECT_EQ(users().size(), 1U);
}

TEST_F(UserCommandTest, AFileWithAMistakeIsNotTouched) {
  folder_.write("users.toml", "# mine\n[[user]]\nname = 5\n");
  EXPECT_EQ(user({"add", "shop", "--sender", "b.test", "--sender", "*.b.test"}, "x\n").code,
            kBadConfig);
  EXPECT_FALSE(config::load_users(folder_.path("users.toml")).problems.empty());
}

TEST_F(UserCommandTest, TellsWhenAPasswordIsNoneForScram) {
  const Said said =
      user({"add", "shop", "--sender", "b.test", "--sender", "*.b.test"}, "p\xc3\xa4ss\n");
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.err, HasSubstr("PLAIN and LOGIN only"));
  EXPECT_EQ(users()[0].scram_verifier, "");
}

TEST_F(UserCommandTest, TheConfigurationSaysWhereTheUsersAre) {
  const std::string without = folder_.write_config();
  EXPECT_EQ(run_tool({"user", "list", "--config", without}).code, kBadConfig);
  const std::string with =
      folder_.write_config("[auth]\nusers_file = \"" + folder_.path("users.toml") + "\"\n");
  const TypedInput input("x\n");
  ASSERT_EQ(run_tool({"user", "add", "shop", "--sender", "*", "--config", with}).code, kDone);
  const Said said = run_tool({"check", "--config", with});
  EXPECT_EQ(said.code, kDone) << said.err;
  EXPECT_THAT(said.out, HasSubstr("1 user\n"));
  folder_.write("users.toml", "[[user]]\nname = \"shop\"\n");
  EXPECT_EQ(run_tool({"check", "--config", with}).code, kBadConfig);
}

}  // namespace
}  // namespace postrider::tool
