#include "queue/salvage.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <unistd.h>

#include "queue/keys.h"
#include "queue/rocks_store.h"
#include "queue/store_directory.h"
#include "relay/base/log.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kMessages = 400;
// Of 3000 octets each: with one a block is not full, with two it is.
constexpr std::size_t kBodiesOfABlock = 2;

// Through the door: one table holds bodies and, behind them, records.
class SalvageTest : public ::testing::Test {
 protected:
  SalvageTest() {
    log::set_sink([](std::string_view line) { said() += line; });
    said().clear();
    std::string name = (fs::temp_directory_path() / "salvage.XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    rocks_.directory = root_ + "/queue";
    open();
  }

  ~SalvageTest() override {
    store_.reset();
    log::set_sink(nullptr);
    fs::remove_all(root_);
  }

  static std::string& said() {
    static std::string text;
    return text;
  }

  void open() {
    store_.reset();
    auto opened = open_rocks_store(rocks_);
    ASSERT_TRUE(opened) << opened.error().text();
    store_ = std::move(*opened);
  }

  // What memory and log hold becomes a table when a database is opened.
  void make_table() {
    open();
    open();
  }

  static MessageId id_of(int message) { return {static_cast<std::uint64_t>(message) << 16, 7}; }

  void put(const std::string& key, std::string_view value) {
    const auto batch = store_->new_batch();
    batch->put(key, value);
    keys_.insert(key);
    ASSERT_TRUE(store_->write(*batch, false));
  }

  void erase(const std::string& key) {
    const auto batch = store_->new_batch();
    batch->erase(key);
    keys_.erase(key);
    ASSERT_TRUE(store_->write(*batch, false));
  }

  void fill() {
    for (int i = 0; i < kMessages; ++i) {
      put(body_key(id_of(i), 0), random_.token(3000));
      put(delivery_key({id_of(i), 0}), "first");
      put(message_key(id_of(i)), "message");
    }
  }

  [[nodiscard]] fs::path largest_table() const {
    fs::path found;
    for (const auto& entry : fs::directory_iterator(rocks_.directory)) {
      if (entry.path().extension() != ".sst") continue;
      if (found.empty() || entry.file_size() > fs::file_size(found)) found = entry.path();
    }
    return found;
  }

  static void flip(const fs::path& path, std::uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int octet = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(octet ^ 0x10));
  }

  std::set<std::string> found() {
    std::set<std::string> keys;
    const auto cursor = store_->scan(std::string_view("\0", 1), "\xff");
    for (; cursor->valid(); cursor->next()) keys.emplace(cursor->key());
    EXPECT_TRUE(cursor->status());
    return keys;
  }

  // Of those that were put: how many are not there.
  std::size_t missing() {
    const auto there = found();
    std::size_t count = 0;
    for (const std::string& key : keys_) count += there.contains(key) ? 0 : 1;
    return count;
  }

  std::string read(const std::string& key) {
    const auto value = store_->get(key);
    if (!value) return "<error>";
    return *value ? std::string((*value)->view()) : "<none>";
  }

  std::string root_;
  RocksOptions rocks_;
  SeededRandom random_{11};
  std::unique_ptr<Store> store_;
  std::set<std::string> keys_;
};

TEST_F(SalvageTest, OnlyTheDamagedBlockIsLost) {
  fill();
  make_table();
  store_.reset();
  const std::string pristine = root_ + "/pristine";
  fs::copy(rocks_.directory, pristine, fs::copy_options::recursive);
  const std::uint64_t seed = std::random_device()();
  SeededRandom random(seed);
  for (const std::uint64_t permille : {std::uint64_t{0}, std::uint64_t{150}, std::uint64_t{500},
                                       std::uint64_t{850}, random.below(900), random.below(900)}) {
    store_.reset();
    fs::remove_all(rocks_.directory);
    fs::copy(pristine, rocks_.directory, fs::copy_options::recursive);
    const fs::path table = largest_table();
    SCOPED_TRACE("seed " + std::to_string(seed) + ", permille " + std::to_string(permille));
    flip(table, fs::file_size(table) * permille / 1000);
    DamageMark(rocks_.directory).set();
    open();
    EXPECT_LE(missing(), kBodiesOfABlock);
    EXPECT_GE(missing(), 1U);
    EXPECT_TRUE(store_->was_repaired());
    EXPECT_TRUE(fs::exists(rocks_.directory + "/lost/" + table.filename().string()));
    EXPECT_FALSE(fs::exists(rocks_.directory + "/tables-before-repair"));
  }
}

TEST_F(SalvageTest, EachOfManyDamagedBlocksIsPassed) {
  fill();
  make_table();
  store_.reset();
  const fs::path table = largest_table();
  for (std::uint64_t tenth = 0; tenth < 9; ++tenth) flip(table, fs::file_size(table) * tenth / 10);
  DamageMark(rocks_.directory).set();
  open();
  EXPECT_LE(missing(), 9 * kBodiesOfABlock);
  EXPECT_GE(missing(), 9U);
}

TEST_F(SalvageTest, AReopeningBringsBackTheSame) {
  fill();
  make_table();
  const fs::path table = largest_table();
  flip(table, fs::file_size(table) / 2);
  DamageMark(rocks_.directory).set();
  ASSERT_TRUE(store_->reopen());
  EXPECT_LE(missing(), kBodiesOfABlock);
}

TEST_F(SalvageTest, WhatIsNewerStaysAndWhatWasErasedStaysErased) {
  fill();
  const std::string suspended = suspension_key("example.org", "", "");
  put(suspended, "why");
  make_table();
  const fs::path table = largest_table();
  for (int i = 0; i < kMessages; i += 2) put(delivery_key({id_of(i), 0}), "second");
  // Fewer than are put: mostly deletions would be compacted.
  for (int i = 1; i < kMessages; i += 8) {
    erase(body_key(id_of(i), 0));
    erase(delivery_key({id_of(i), 0}));
    erase(message_key(id_of(i)));
  }
  erase(suspended);
  make_table();
  ASSERT_TRUE(fs::exists(table)) << "it was compacted";
  store_.reset();
  flip(table, fs::file_size(table) / 2);
  DamageMark(rocks_.directory).set();
  open();
  EXPECT_LE(missing(), kBodiesOfABlock);
  for (int i = 0; i < kMessages; ++i) {
    const std::string expected = i % 2 == 0 ? "second" : i % 8 == 1 ? "<none>" : "first";
    EXPECT_EQ(read(delivery_key({id_of(i), 0})), expected) << i;
    EXPECT_EQ(read(message_key(id_of(i))), i % 8 == 1 ? "<none>" : "message") << i;
  }
  EXPECT_EQ(read(suspended), "why");  // held back rather than sent
}

TEST_F(SalvageTest, AStartThatIsCutShortDoesItAgain) {
  fill();
  make_table();
  store_.reset();
  const fs::path table = largest_table();
  flip(table, fs::file_size(table) / 2);
  // A repair that took the table out, and no more.
  TablesAside(rocks_.directory).link();
  fs::create_directory(rocks_.directory + "/lost");
  fs::rename(table, rocks_.directory + "/lost/" + table.filename().string());
  DamageMark(rocks_.directory).set();
  open();
  EXPECT_LE(missing(), kBodiesOfABlock);
}

TEST_F(SalvageTest, ATableWithoutItsFootIsSaidToBeLost) {
  fill();
  make_table();
  store_.reset();
  const fs::path table = largest_table();
  const std::uint64_t size = fs::file_size(table);
  flip(table, size - 3);
  DamageMark(rocks_.directory).set();
  open();
  EXPECT_GT(missing(), keys_.size() / 2);
  EXPECT_THAT(said(), HasSubstr("cannot be read at all"));
  EXPECT_THAT(said(), HasSubstr("lost/" + table.filename().string()));
  EXPECT_THAT(said(), HasSubstr("octets=" + std::to_string(size)));
}

TEST_F(SalvageTest, TablesThatAreWholeDoNotStayAside) {
  fill();
  make_table();
  store_.reset();
  DamageMark(rocks_.directory).set();
  open();
  EXPECT_EQ(missing(), 0U);
  EXPECT_FALSE(fs::exists(rocks_.directory + "/tables-before-repair"));
  EXPECT_THAT(said(), Not(HasSubstr("put back")));
}

}  // namespace
}  // namespace postrider::queue
