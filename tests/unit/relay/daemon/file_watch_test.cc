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

  void start(Duration interval = Milliseconds(10)) {
    watch_ = std::make_unique<FileWatch>(
        "test", std::vector<std::string>{folder_ / "a", folder_ / "b"},
        [this] {
          ++*changes_.lock();
          told_.notify_all();
        },
        interval);
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
  start();
  write("a", "23");
  EXPECT_TRUE(wait_for(1));
  write("b", "1");
  EXPECT_TRUE(wait_for(2));
  std::filesystem::remove(folder_ / "b");
  EXPECT_TRUE(wait_for(3));
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
