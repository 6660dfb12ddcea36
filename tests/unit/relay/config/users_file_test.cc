#include "relay/config/users_file.h"

#include <atomic>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/stat.h>
#include <thread>

#include "relay/auth/password.h"

namespace postrider::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class UsersFileTest : public testing::Test {
 protected:
  UsersFileTest() {
    std::string name = "/tmp/users_file_test_XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }

  ~UsersFileTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path path() const { return folder_ / "users.toml"; }

  void write(const std::string& text) const { std::ofstream(path()) << text; }

  [[nodiscard]] std::string text() const {
    std::ostringstream text;
    text << std::ifstream(path()).rdbuf();
    return text.str();
  }

  [[nodiscard]] mode_t mode() const {
    struct stat about {};

    EXPECT_EQ(::stat(path().c_str(), &about), 0);
    return about.st_mode & 07777U;
  }

  static std::vector<auth::User> named(const std::vector<std::string>& names) {
    static const std::string hash = *auth::hash_password("x");
    std::vector<auth::User> users;
    for (const std::string& name : names) users.push_back({name, hash, ""});
    return users;
  }

  [[nodiscard]] UsersResult add(const std::string& name) const {
    const auto file = UsersFile::open(path());
    UsersResult loaded = file->load();
    loaded.users.push_back(named({name}).front());
    EXPECT_TRUE(file->replace(loaded.users, ""));
    return loaded;
  }

  std::filesystem::path folder_;
};

TEST_F(UsersFileTest, ReadsWhatItWrites) {
  const std::vector<auth::User> users = named({"a", "quote\" and \\", "\xc3\xa4"});
  const auto file = UsersFile::open(path());
  ASSERT_TRUE(file);
  EXPECT_THAT(file->load().users, IsEmpty());  // there is no file yet
  ASSERT_TRUE(file->replace(users, ""));
  const UsersResult loaded = file->load();
  EXPECT_THAT(loaded.problems, IsEmpty());
  ASSERT_THAT(loaded.users, SizeIs(3));
  for (std::size_t i = 0; i < users.size(); ++i) {
    EXPECT_EQ(loaded.users[i].name, users[i].name);
    EXPECT_EQ(loaded.users[i].password_hash, users[i].password_hash);
  }
  EXPECT_EQ(mode(), 0600U);
}

TEST_F(UsersFileTest, KeepsTheMode) {
  write("");
  ::chmod(path().c_str(), 0604);
  ASSERT_TRUE(UsersFile::open(path())->replace(named({"a"}), ""));
  EXPECT_EQ(mode(), 0604U);
}

TEST_F(UsersFileTest, LeavesNothingBeside) {
  ASSERT_TRUE(UsersFile::open(path())->replace(named({"a"}), ""));
  const auto count = std::distance(std::filesystem::directory_iterator(folder_), {});
  EXPECT_EQ(count, 1);
}

TEST_F(UsersFileTest, FollowsALink) {
  const auto target = folder_ / "target.toml";
  std::ofstream(target) << "";
  std::filesystem::create_symlink(target, path());
  ASSERT_TRUE(UsersFile::open(path())->replace(named({"a"}), ""));
  EXPECT_TRUE(std::filesystem::is_symlink(path()));
  EXPECT_THAT(text(), HasSubstr("name = \"a\""));
}

TEST_F(UsersFileTest, AFailureLeavesTheFileAsItWas) {
  const auto file = UsersFile::open(path());
  ASSERT_TRUE(file->replace(named({"a"}), ""));
  std::filesystem::rename(folder_, folder_.string() + ".gone");
  EXPECT_FALSE(file->replace(named({"b"}), ""));
  std::filesystem::rename(folder_.string() + ".gone", folder_);
  EXPECT_THAT(text(), HasSubstr("name = \"a\""));
}

TEST_F(UsersFileTest, ChangesAtOneTimeLoseNothing) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back(
        [this, i] { EXPECT_THAT(add("user" + std::to_string(i)).problems, IsEmpty()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(load_users(path()).users, SizeIs(8));
}

TEST_F(UsersFileTest, NamesEveryMistake) {
  write(
      "[server]\nhost_name = \"x.test\"\n[[user]]\nname = \"a\"\npassword = \"plain\"\n"
      "[[user]]\nname = \"main\"\npassword_hash = \"$y$broken\"\n");
  const UsersResult loaded = load_users(path(), named({"main"}));
  std::string all;
  for (const Problem& problem : loaded.problems) all += problem.where + " " + problem.what + "\n";
  EXPECT_THAT(all, HasSubstr("users.toml:1 server: this file has nothing but [[user]] sections"));
  EXPECT_THAT(all, HasSubstr(":5 user.password: a plain password"));
  EXPECT_THAT(all, HasSubstr(":7 user.name: 'main' is there twice"));
  EXPECT_THAT(all, HasSubstr(":8 user.password_hash"));
}

TEST_F(UsersFileTest, AMissingFileIsAProblemForWhoeverNeedsIt) {
  EXPECT_THAT(load_users(path()).problems, SizeIs(1));
  EXPECT_FALSE(UsersFile::open("/nonexistent/dir/users.toml"));
}

}  // namespace
}  // namespace postrider::config
