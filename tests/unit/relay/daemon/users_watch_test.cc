#include "relay/daemon/users_watch.h"

#include <condition_variable>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/auth/password.h"
#include "relay/config/users_file.h"

namespace postrider::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class UsersWatchTest : public testing::Test {
 protected:
  UsersWatchTest() {
    std::string name = "/tmp/users_watch_test_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    file_ = folder_ / "users.toml";
  }

  ~UsersWatchTest() override {
    watch_.reset();
    std::filesystem::remove_all(folder_);
  }

  Result<void> start(Duration interval = Milliseconds(10)) {
    auto started = UsersWatch::start(
        file_, {{"main", hash_, ""}}, metrics_,
        [this](const std::vector<auth::User>& users) {
          {
            auto seen = seen_.lock();
            seen->clear();
            for (const auth::User& user : users) seen->push_back(user.name);
          }
          changed_.notify_all();
        },
        interval);
    if (!started) return failure(started.error());
    watch_ = std::move(*started);
    return {};
  }

  void write(const std::vector<std::string>& names) {
    std::vector<auth::User> users;
    for (const std::string& name : names) users.push_back({name, hash_, ""});
    ASSERT_TRUE(config::UsersFile::open(file_)->replace(users, ""));
  }

  // In one step: half of it may be no mistake.
  void write_text(const std::string& text) const {
    const std::string scratch = file_.string() + ".new";
    std::FILE* file = std::fopen(scratch.c_str(), "w");
    std::fwrite(text.data(), 1, text.size(), file);
    std::fclose(file);
    std::filesystem::rename(scratch, file_);
  }

  std::vector<std::string> seen() { return *seen_.lock(); }

  bool wait_for(const std::vector<std::string>& names) {
    auto seen = seen_.lock();
    return changed_.wait_for(seen.mutex_lock(), Seconds(20), [&] { return *seen == names; });
  }

  bool wait_for_failures(std::uint64_t count) {
    const metrics::Counter failed = metrics_.counter(metrics::Metric::kUsersReads, "failed");
    const TimePoint until = std::chrono::steady_clock::now() + Seconds(20);
    auto seen = seen_.lock();  // nobody tells of a failure: it is looked for
    while (failed.value() < count && std::chrono::steady_clock::now() < until) {
      changed_.wait_for(seen.mutex_lock(), Milliseconds(10));
    }
    return failed.value() == count;
  }

  const std::string hash_ = *auth::hash_password("x");
  metrics::Registry metrics_;
  std::filesystem::path folder_;
  std::filesystem::path file_;
  Guarded<std::vector<std::string>> seen_;
  std::condition_variable changed_;
  std::unique_ptr<UsersWatch> watch_;
};

TEST_F(UsersWatchTest, AppliesTheUsersAtOnce) {
  write({"a", "b"});
  ASSERT_TRUE(start());
  EXPECT_THAT(seen(), ElementsAre("main", "a", "b"));
}

TEST_F(UsersWatchTest, DoesNotStartWithAMistake) {
  write_text("[[user]]\nnam = \"a\"\n");
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().text(), HasSubstr("users.toml:"));
}

TEST_F(UsersWatchTest, FollowsTheFile) {
  write({"a"});
  ASSERT_TRUE(start());
  write({"b", "c"});
  EXPECT_TRUE(wait_for({"main", "b", "c"}));
}

TEST_F(UsersWatchTest, AMistakeIsReportedOnceAndTheUsersStay) {
  write({"a"});
  ASSERT_TRUE(start());
  write_text("not TOML at all");
  EXPECT_TRUE(wait_for_failures(1));
  EXPECT_THAT(seen(), ElementsAre("main", "a"));
  std::filesystem::remove(file_);
  EXPECT_TRUE(wait_for_failures(2));
  EXPECT_THAT(seen(), ElementsAre("main", "a"));
  write({"d"});
  EXPECT_TRUE(wait_for({"main", "d"}));
}

TEST_F(UsersWatchTest, AFileThatWasEmptiedIsAMistake) {
  write({"a"});
  ASSERT_TRUE(start());
  write_text("");
  EXPECT_TRUE(wait_for_failures(1));
  EXPECT_THAT(seen(), ElementsAre("main", "a"));
  write({});  // as the tool does it
  EXPECT_TRUE(wait_for({"main"}));
  write_text("");
  write({"b"});
  EXPECT_TRUE(wait_for({"main", "b"}));
}

TEST_F(UsersWatchTest, ReadsAgainWhenAsked) {
  write({"a"});
  ASSERT_TRUE(start(std::chrono::hours(1)));
  write({"b"});
  watch_->read_again();
  EXPECT_TRUE(wait_for({"main", "b"}));
}

}  // namespace
}  // namespace postrider::daemon
