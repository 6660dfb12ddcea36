#include "queue/rocks_store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>

#include "relay/base/log.h"

namespace postrider::queue {
namespace {

namespace fs = std::filesystem;

class RocksStoreTest : public ::testing::Test {
 protected:
  RocksStoreTest() {
    std::string name = (fs::temp_directory_path() / "rocks_test.XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    options_.directory = directory_ + "/queue";
    open();
  }

  ~RocksStoreTest() override {
    store_.reset();
    fs::remove_all(directory_);
  }

  void open() {
    store_.reset();
    auto opened = open_rocks_store(options_);
    ASSERT_TRUE(opened) << opened.error().text();
    store_ = std::move(*opened);
  }

  void put(std::string_view key, std::string_view value, bool sync = true) {
    const auto batch = store_->new_batch();
    batch->put(key, value);
    ASSERT_TRUE(store_->write(*batch, sync));
  }

  std::string read(std::string_view key) {
    const auto value = store_->get(key);
    if (!value) return "<error>";
    return *value ? std::string((*value)->view()) : "<none>";
  }

  std::vector<fs::path> files(std::string_view extension) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(options_.directory)) {
      if (entry.path().extension() == extension) found.push_back(entry.path());
    }
    return found;
  }

  std::string directory_;
  RocksOptions options_;
  std::unique_ptr<Store> store_;
};

// The tables once nothing is made of them any more.
class RocksTablesTest : public RocksStoreTest {
 protected:
  std::vector<fs::path> tables() {
    std::vector<fs::path> seen;
    for (int same = 0, looks = 0; same < 80 && looks < 4000; ++looks) {
      std::vector<fs::path> now = files(".sst");
      std::sort(now.begin(), now.end());
      same = now == seen ? same + 1 : 0;
      seen = std::move(now);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return seen;
  }

  // Mail that comes and goes in front of and behind all that is deep, until memory is full of it.
  void pass_through() {
    const auto before = files(".sst");
    const auto batch = store_->new_batch();
    for (int round = 0; round < 200 && files(".sst") == before; ++round) {
      for (const char space : {'a', 'z'}) {
        for (int i = 0; i < 500; ++i) {
          const std::string key = space + std::to_string(round * 500 + i);
          batch->clear();
          batch->put(key, "x");
          ASSERT_TRUE(store_->write(*batch, false));
          batch->clear();
          batch->erase(key);
          ASSERT_TRUE(store_->write(*batch, false));
        }
      }
    }
  }
};

TEST_F(RocksTablesTest, AreNotWrittenAnewForOneMemtableOfDeletions) {
  options_.memtable_size = 4U << 20;
  open();
  for (int i = 0; i < 6000; ++i) put("b" + std::to_string(i), std::string(4096, 'v'), false);
  open();
  const auto deep = tables();
  ASSERT_FALSE(deep.empty());
  pass_through();
  const auto after = tables();
  ASSERT_NE(after, deep) << "memory was not full";
  EXPECT_TRUE(std::includes(after.begin(), after.end(), deep.begin(), deep.end()));
}

TEST_F(RocksStoreTest, KeepsWhatIsWritten) {
  const auto batch = store_->new_batch();
  batch->put("a", std::vector<std::string_view>{"1", "", "23"});
  batch->put("b", "x");
  batch->erase("b");
  EXPECT_GT(batch->size(), 3U);
  ASSERT_TRUE(store_->write(*batch, true));
  batch->clear();
  batch->put("c", "");
  ASSERT_TRUE(store_->write(*batch, false));
  open();
  EXPECT_EQ(read("a"), "123");
  EXPECT_EQ(read("b"), "<none>");
  EXPECT_EQ(read("c"), "");
}

#if defined(__x86_64__)
// The library finds the function of this name by the same search, so it finds ours; what its own
// would have said is what ours says.
TEST_F(RocksStoreTest, TheLibraryComputesItsChecksumWithOurs) {
  using Extend = std::uint32_t (*)(std::uint32_t, const char*, std::size_t);
  const char* const name = "_ZN7rocksdb6crc32c6ExtendEjPKcm";
  const auto found = reinterpret_cast<Extend>(::dlsym(RTLD_DEFAULT, name));
  const auto theirs = reinterpret_cast<Extend>(::dlsym(RTLD_NEXT, name));
  ASSERT_NE(found, nullptr);
  ASSERT_NE(theirs, nullptr) << "the library does without it: so can we";
  EXPECT_NE(found, theirs);
  std::string text;
  for (std::size_t size = 0; size < 100; ++size) {
    EXPECT_EQ(found(7, text.data(), size), theirs(7, text.data(), size)) << size;
    text += static_cast<char>(size * 37);
  }
}
#endif

TEST_F(RocksStoreTest, ScansWithinItsBounds) {
  for (const char* key : {"a", "b", "c", "d"}) put(key, "v");
  const auto cursor = store_->scan("b", "d");
  put("bb", "later");
  std::string seen;
  for (; cursor->valid(); cursor->next()) seen += cursor->key();
  EXPECT_EQ(seen, "bc");
  EXPECT_TRUE(cursor->status());
  cursor->seek("a");
  EXPECT_EQ(cursor->key(), "b");
}

TEST_F(RocksStoreTest, ValuesOutliveTheStore) {
  put("a", std::string(100'000, 'x'));
  open();  // from the table now, not the memtable
  const auto value = store_->get("a");
  store_.reset();
  EXPECT_EQ((*value)->view(), std::string(100'000, 'x'));
}

TEST_F(RocksStoreTest, IsOpenedOnlyOnce) {
  const auto second = open_rocks_store(options_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().text(), ::testing::HasSubstr("in use by another postrider"));
  EXPECT_THAT(second.error().text(), ::testing::HasSubstr(options_.directory));
  put("a", "still works");
}

// What is kept while the first one recovers its log is not the second one's to sweep away.
TEST_F(RocksStoreTest, OpeningASecondTimeTouchesNothing) {
  const fs::path kept = fs::path(options_.directory) / "logs-before-recovery" / "000004.log";
  fs::create_directory(kept.parent_path());
  std::ofstream(kept) << "of the first";
  EXPECT_FALSE(open_rocks_store(options_));
  EXPECT_TRUE(fs::exists(kept));
}

TEST_F(RocksStoreTest, MakesItsDirectoryPrivate) {
  EXPECT_EQ(fs::status(options_.directory).permissions(), fs::perms::owner_all);
}

TEST_F(RocksStoreTest, SaysWhichDirectoryCannotBeUsed) {
  RocksOptions other;
  other.directory = directory_ + "/file";
  std::ofstream(other.directory) << "x";
  const auto opened = open_rocks_store(other);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().text(), ::testing::HasSubstr(other.directory));
}

TEST_F(RocksStoreTest, KnowsTheFreeSpace) {
  const auto before = store_->space();
  ASSERT_TRUE(before);
  EXPECT_GT(before->free, 0U);
  EXPECT_GT(before->files, 0U);
  put("a", std::string(3U << 20, 'x'));
  EXPECT_GE(store_->space()->owed, before->owed + (3U << 20));  // the table that is to come
}

TEST_F(RocksStoreTest, ReopensWhileOthersRead) {
  put("a", "1");
  put("b", "2", false);
  std::atomic<bool> done{false};
  std::atomic<int> right{0};
  std::thread reader([&] {
    while (!done) {
      const auto cursor = store_->scan("a", "c");
      if (cursor->valid() && cursor->key() == "a" && store_->get("a")) ++right;
    }
  });
  for (int i = 0; i < 10; ++i) {
    const int before = right;
    ASSERT_TRUE(store_->reopen());
    while (right < before + 2) std::this_thread::yield();
  }
  done = true;
  reader.join();
  EXPECT_EQ(read("b"), "2");
  put("c", "3");
}

TEST_F(RocksStoreTest, AReopenThatFailsIsTriedAgain) {
  put("a", "1");
  fs::rename(options_.directory, directory_ + "/away");
  std::ofstream(options_.directory) << "in the way";
  EXPECT_FALSE(store_->reopen());
  EXPECT_EQ(read("a"), "<error>");
  EXPECT_FALSE(store_->scan("a", "b")->status());
  const auto batch = store_->new_batch();
  batch->put("a", "2");
  EXPECT_FALSE(store_->write(*batch, true));
  fs::remove(options_.directory);
  fs::rename(directory_ + "/away", options_.directory);
  ASSERT_TRUE(store_->reopen());
  EXPECT_EQ(read("a"), "1");
}

// A copy of the directory while it is open is what a kill leaves behind.
TEST_F(RocksStoreTest, ADamagedLogIsKeptAsideAndSaid) {
  static std::string said;
  said.clear();
  for (int i = 0; i < 100; ++i) put("key" + std::to_string(i), std::string(1000, 'v'));
  const std::string copy = directory_ + "/copy";
  fs::copy(options_.directory, copy, fs::copy_options::recursive);
  fs::remove(copy + "/LOCK");
  store_.reset();
  options_.directory = copy;
  const auto logs = files(".log");
  ASSERT_EQ(logs.size(), 1U);
  std::fstream log(logs[0], std::ios::in | std::ios::out | std::ios::binary);
  log.seekp(50'500);
  log << "DAMAGE";
  log.close();
  log::set_sink([](std::string_view line) { said += line; });
  open();
  log::set_sink(nullptr);
  EXPECT_EQ(read("key0"), std::string(1000, 'v'));
  EXPECT_EQ(read("key99"), "<none>");
  EXPECT_THAT(said, ::testing::HasSubstr("damaged and dropped"));
  bool kept = false;
  for (const auto& entry : fs::directory_iterator(copy)) {
    if (!entry.path().filename().string().starts_with("damaged-")) continue;
    kept = !fs::is_empty(entry.path());
  }
  EXPECT_TRUE(kept);
}

TEST_F(RocksStoreTest, AnUnharmedLogLeavesNothingAside) {
  put("a", "1");
  open();
  for (const auto& entry : fs::directory_iterator(options_.directory)) {
    EXPECT_FALSE(entry.is_directory()) << entry.path();
  }
}

}  // namespace
}  // namespace postrider::queue
