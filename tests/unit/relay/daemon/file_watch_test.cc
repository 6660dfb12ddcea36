#include "relay/daemon/file_watch.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace postrider::daemon {
namespace {

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() {
    std::string name = "/tmp/file_watch_test_XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }

  ~FileWatchTest() override {
    watch_.reset();
    std::filesystem::remove_all(folder_);
  }

  void make(Duration interval) {
    watch_ = std::make_unique<FileWatch>(
        "test", std::vector<std::string>{folder_ / "a", folder_ / "b"},
        [this] {
          ++*changes_.lock();
          told_.notify_all();
        },
        interval);
  }

  void start(Duration interval = Milliseconds(10)) {
    make(interval);
    watch_->start();
  }

  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }

  bool wait_for(int count) {
    auto changes = changes_.lock();
    return told_.wait_for(changes.mutex_lock(), Seconds(20), [&] { return *changes >= count; });
  }

  std::filesystem::path folder_;
  Guarded<int> changes_;
  std::condition_variable told_;
  std::unique_ptr<FileWatch> watch_;
};

TEST_F(FileWatchTest, TellsWhenAFileChangesComesOrGoes) {
  write("a", "1");
  make(std::chrono::hours(1));
  const auto changes = [&] {
    watch_->look();
    watch_->look();
    return *changes_.lock();
  };
  EXPECT_EQ(changes(), 0);
  write("a", "23");
  EXPECT_EQ(changes(), 1);
  write("b", "1");
  EXPECT_EQ(changes(), 2);
  std::filesystem::remove(folder_ / "b");
  EXPECT_EQ(changes(), 3);
}

TEST_F(FileWatchTest, LooksByItself) {
  start();
  write("a", "1");
  EXPECT_TRUE(wait_for(1));
}

// What an editor writes in steps is not read between them.
TEST_F(FileWatchTest, TellsNothingWhileAFileStillChanges) {
  write("a", "0");
  make(std::chrono::hours(1));
  for (const char* text : {"", "half", "whole"}) {
    write("a", text);
    watch_->look();
    EXPECT_EQ(*changes_.lock(), 0);
  }
  watch_->look();
  EXPECT_EQ(*changes_.lock(), 1);
  watch_->look();
  EXPECT_EQ(*changes_.lock(), 1);
}

TEST_F(FileWatchTest, TellsWhenItIsAsked) {
  start(std::chrono::hours(1));
  watch_->look_again();
  EXPECT_TRUE(wait_for(1));
}

TEST_F(FileWatchTest, EndsAtOnce) {
  start(std::chrono::hours(1));
  watch_.reset();
  EXPECT_EQ(*changes_.lock(), 0);
}

}  // namespace
}  // namespace postrider::daemon
