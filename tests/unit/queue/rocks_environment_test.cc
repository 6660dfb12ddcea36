#include "queue/rocks_environment.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <linux/magic.h>
#include <memory>
#include <string>
#include <sys/vfs.h>
#include <unistd.h>

#include "queue/rocks_store.h"

namespace postrider::queue {
namespace {

namespace fs = std::filesystem;

class RocksEnvironment : public ::testing::Test {
 protected:
  RocksEnvironment() {
    std::string name = (fs::temp_directory_path() / "environment.XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }

  ~RocksEnvironment() override { fs::remove_all(directory_); }

  void SetUp() override {
    struct statfs about {};

    ASSERT_EQ(::statfs(directory_.c_str(), &about), 0);
    if (about.f_type != EXT4_SUPER_MAGIC) GTEST_SKIP() << "the temporary directory is not on ext4";
  }

  std::unique_ptr<rocksdb::WritableFile> create(const std::string& name) {
    std::unique_ptr<rocksdb::WritableFile> file;
    EXPECT_TRUE(environment()->NewWritableFile(path(name), &file, rocksdb::EnvOptions()).ok());
    return file;
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string content(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string directory_;
};

void write(rocksdb::WritableFile& file, const std::string& octets) {
  ASSERT_TRUE(file.Append(octets).ok());
  ASSERT_TRUE(file.Sync().ok());
}

TEST_F(RocksEnvironment, ALogGrowsOnceForManySyncs) {
  const auto log = create("1.log");
  const std::string record(5000, 'r');
  write(*log, record);
  const std::uint64_t size = fs::file_size(path("1.log"));
  EXPECT_GE(size, kZerosAhead);
  EXPECT_EQ(content("1.log"), record + std::string(size - record.size(), '\0'));
  std::string all = record;
  for (; all.size() + record.size() <= size; all += record) {
    write(*log, record);
    ASSERT_EQ(fs::file_size(path("1.log")), size);
  }
  write(*log, record);
  all += record;
  EXPECT_GT(fs::file_size(path("1.log")), size + kZerosAhead / 2);
  ASSERT_TRUE(log->Close().ok());
  EXPECT_EQ(content("1.log"), all);
}

TEST_F(RocksEnvironment, WhatIsLargeIsWrittenOnce) {
  const auto log = create("1.log");
  write(*log, std::string(kZerosForSyncsMax + 1, 'r'));
  EXPECT_EQ(fs::file_size(path("1.log")), kZerosForSyncsMax + 1);
  ASSERT_TRUE(log->Append("unsynced").ok());
  ASSERT_TRUE(log->Flush().ok());
  EXPECT_EQ(fs::file_size(path("1.log")), kZerosForSyncsMax + 1 + 8);
}

TEST_F(RocksEnvironment, NoOtherFileGetsZeros) {
  const auto table = create("1.sst");
  write(*table, "table");
  EXPECT_EQ(content("1.sst"), "table");
}

// In `directory`, which nobody closed.
void expect_all(const std::string& directory, int count) {
  RocksOptions options;
  options.directory = directory;
  const auto store = open_rocks_store(options);
  ASSERT_TRUE(store) << store.error().text();
  for (int i = 0; i < count; ++i) {
    const auto value = (*store)->get("key" + std::to_string(i));
    ASSERT_TRUE(value && *value) << i;
  }
  for (const auto& entry : fs::directory_iterator(directory)) {
    EXPECT_FALSE(entry.is_directory()) << "taken for damage: " << entry.path();
  }
}

// A log may end at every place of a block.
TEST_F(RocksEnvironment, ZerosAreTheEndOfALogThatNobodyClosed) {
  RocksOptions options;
  options.directory = path("queue");
  auto store = open_rocks_store(options);
  ASSERT_TRUE(store) << store.error().text();
  for (int i = 0; i < 70; ++i) {
    const auto batch = (*store)->new_batch();
    batch->put("key" + std::to_string(i),
               std::string(static_cast<std::size_t>(937 * i % 4000), 'v'));
    ASSERT_TRUE((*store)->write(*batch, true));
    const std::string copy = path("copy");
    fs::copy(options.directory, copy, fs::copy_options::recursive);
    expect_all(copy, i + 1);
    fs::remove_all(copy);
  }
}

}  // namespace
}  // namespace postrider::queue
