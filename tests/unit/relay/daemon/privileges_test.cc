#include "relay/daemon/privileges.h"

#include <filesystem>
#include <functional>
#include <gmock/gmock.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/relay/daemon/daemon_fixture.h"

namespace postrider::daemon {
namespace {

using ::testing::HasSubstr;

// What `act` returns, in a process of its own: rights once dropped do not come back.
int in_child(const std::function<int()>& act) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(act());
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

unsigned mode_of(const std::string& path) {
  struct stat info {};

  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_mode & 07777U;
}

TEST(BecomeUser, LosesEveryRightForGood) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  const int failed_step = in_child([] {
    if (!become_user("nobody")) return 1;
    if (::geteuid() == 0 || ::getuid() == 0 || ::getegid() == 0) return 2;
    if (::setuid(0) == 0) return 3;
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 4;
    return running_as_root() ? 5 : 0;
  });
  EXPECT_EQ(failed_step, 0);
}

TEST(BecomeUser, RefusesToBeRoot) {
  const auto became = become_user("root");
  ASSERT_FALSE(became);
  EXPECT_EQ(became.error().text(), "server.user must not be root");
}

TEST(BecomeUser, NamesAUserThatDoesNotExist) {
  const auto became = become_user("no-such-user-here");
  ASSERT_FALSE(became);
  EXPECT_THAT(became.error().text(), HasSubstr("'no-such-user-here'"));
}

TEST(PrepareDirectory, MakesAPrivateOne) {
  const TempDirectory directory;
  const std::string path = directory.path("a/b");
  ASSERT_TRUE(prepare_directory(path, ""));
  EXPECT_EQ(mode_of(path), 0700U);
}

TEST(PrepareDirectory, GivesItToTheUser) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  const TempDirectory directory;
  const std::string path = directory.path("data");
  ASSERT_TRUE(prepare_directory(path, "nobody"));

  struct stat info {};

  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, ::getpwnam("nobody")->pw_uid);
}

TEST(PrepareDirectory, LeavesAnExistingOneAsItIs) {
  const TempDirectory directory;
  const std::string path = directory.path("data");
  std::filesystem::create_directory(path);
  ::chmod(path.c_str(), 0750);
  ASSERT_TRUE(prepare_directory(path, "no-such-user-here"));
  EXPECT_EQ(mode_of(path), 0750U);
}

TEST(PrepareDirectory, FailsWhereAFileStands) {
  const TempDirectory directory;
  const std::string path = directory.write("data", "x");
  const auto made = prepare_directory(path, "");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().text(), path + " is not a directory (server.data_dir)");
  EXPECT_FALSE(prepare_directory(path + "/below", ""));
}

TEST(PrepareDirectory, NamesAUserThatDoesNotExist) {
  const TempDirectory directory;
  const auto made = prepare_directory(directory.path("data"), "no-such-user-here");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().text(), HasSubstr("'no-such-user-here'"));
}

TEST(RaiseDescriptorLimit, GoesToTheHardLimit) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = std::min<rlim_t>(before.rlim_max, 200);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(raise_descriptor_limit(), before.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace postrider::daemon
