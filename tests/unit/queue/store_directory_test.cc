#include "queue/store_directory.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "relay/base/log.h"

namespace postrider::queue {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class StoreDirectory : public ::testing::Test {
 protected:
  StoreDirectory() {
    std::string name = (fs::temp_directory_path() / "store_directory.XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }

  ~StoreDirectory() override { fs::remove_all(root_); }

  std::string root_;
};

TEST_F(StoreDirectory, IsMadeWithItsParentsAndPrivate) {
  const std::string name = root_ + "/a/b/queue";
  ASSERT_TRUE(make_store_directory(name));
  EXPECT_EQ(fs::status(name).permissions(), fs::perms::owner_all);
  EXPECT_TRUE(make_store_directory(name));
}

TEST_F(StoreDirectory, MustBeADirectory) {
  std::ofstream(root_ + "/file") << "x";
  const auto made = make_store_directory(root_ + "/file");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().text(), HasSubstr(root_ + "/file is not a directory"));
}

TEST_F(StoreDirectory, OfAnotherUserIsRefusedAndSaid) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  const std::string name = root_ + "/queue";
  ASSERT_TRUE(make_store_directory(name));
  ASSERT_EQ(::chown(name.c_str(), 4321, 4321), 0);
  const auto made = make_store_directory(name);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().text(), HasSubstr("belongs to user 4321, and this process is user 0"));
}

TEST_F(StoreDirectory, LogsAreKeptAsideOnlyIfAsked) {
  std::ofstream(root_ + "/000004.log") << "log";
  std::ofstream(root_ + "/000005.sst") << "table";
  { const LogsAside aside(root_); }
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()), 2);
  log::set_sink([](std::string_view) {});
  for (std::size_t i = 0; i < kDamagedKept + 2; ++i) {
    const LogsAside aside(root_);
    fs::resize_file(root_ + "/000004.log", 3);
    aside.keep({"two records"});
    const auto tick = [] {
      return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    };
    for (const auto now = tick(); tick() == now;) std::this_thread::yield();  // names are times
  }
  log::set_sink(nullptr);
  std::size_t kept = 0;
  for (const auto& entry : fs::directory_iterator(root_)) {
    if (!entry.is_directory()) continue;
    ++kept;
    EXPECT_TRUE(fs::exists(entry.path() / "000004.log"));
    EXPECT_FALSE(fs::exists(entry.path() / "000005.sst"));
  }
  EXPECT_EQ(kept, kDamagedKept);
}

}  // namespace
}  // namespace postrider::queue
