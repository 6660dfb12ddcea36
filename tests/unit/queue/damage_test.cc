// Real damage to the real files of RocksDB: the queue starts with what verifies, delivers nothing
// else, and says what it could not keep.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <unistd.h>

#include "queue/committer.h"
#include "queue/core.h"
#include "queue/reader.h"
#include "queue/recovery.h"
#include "queue/rocks_store.h"
#include "queue/tenant_recovery.h"
#include "relay/base/log.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int kMessages = 600;
// A block is full at 4 KiB, and a body has 2000 octets or more.
constexpr int kBodiesOfABlock = 3;

std::string body_of(const MessageId& id) {
  SeededRandom random(id.low);
  return random.token(2000 + random.below(8000));
}

class DamagedFiles : public ::testing::Test, public Consumer {
 protected:
  DamagedFiles() {
    log::set_sink([](std::string_view line) { said() += line; });
    said().clear();
    std::string name = (fs::temp_directory_path() / "damage.XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    rocks_.directory = root_ + "/queue";
    rocks_.memtable_size = 1U << 20;
    open();
    fill();
  }

  ~DamagedFiles() override {
    close();
    log::set_sink(nullptr);
    fs::remove_all(root_);
  }

  static std::string& said() {
    static std::string text;
    return text;
  }

  void deliver(std::vector<Lease> leases) override {
    for (Lease& lease : leases) leases_.push_back(std::move(lease));
  }

  void open() {
    auto store = open_rocks_store(rocks_);
    ASSERT_TRUE(store) << store.error().text();
    store_ = std::move(*store);
    const auto recovered = recover(*store_, [&](const Totals& totals) -> Core& {
      core_ = std::make_unique<Core>(Options(), *store_, clock_, random_, registry_, EventSink(),
                                     RemovalLines(), totals);
      return *core_;
    });
    ASSERT_TRUE(recovered) << recovered.error().text();
    core_->consumer = this;
    committer_ = std::make_unique<Committer>(*core_);
    reader_ = std::make_unique<Reader>(*core_);
  }

  void close() {
    if (!core_) return;
    core_->stop_leasing();
    reader_->close();
    leases_.clear();
    committer_->finish_all();
    committer_.reset();
    reader_.reset();
    core_.reset();
    store_.reset();
  }

  void settle() {
    for (int i = 0; i < 100'000; ++i) {
      const bool committed = committer_->step();
      if (!reader_->step() && !committed) return;
    }
    FAIL() << "never comes to rest";
  }

  // All are deferred once, so that they must be read back.
  void fill() {
    for (int i = 0; i < kMessages; ++i) {
      Submission submission;
      submission.id = core_->ids.next();
      submission.envelope.sender = {"a", "example.org"};
      submission.recipients = {{{"b", "d" + std::to_string(i % 7) + ".example"}, 0, ""}};
      submission.body = message::Body(body_of(submission.id));
      submission.expires = clock_.wall() + std::chrono::hours(1);
      core_->submit(std::move(submission),
                    [](Refusal refusal) { EXPECT_EQ(refusal, Refusal::kNone); });
      settle();
    }
    ASSERT_EQ(leases_.size(), std::size_t{kMessages});
    for (Lease& lease : leases_) {
      Completion completion;
      completion.fates = {Fate::kDeferred};
      completion.next_attempt = clock_.wall() + std::chrono::minutes(1);
      core_->finish(std::move(lease), std::move(completion));
    }
    leases_.clear();
    settle();
  }

  // What a kill leaves, without the process: the files of one moment, so they are copied again
  // where RocksDB's own threads changed them meanwhile.
  void die() {
    const std::string killed = root_ + "/killed";
    for (int i = 0;; ++i) {
      ASSERT_LT(i, 1000) << "the files never come to rest";
      const auto before = sizes();
      std::error_code error;
      fs::copy(rocks_.directory, killed, fs::copy_options::recursive, error);
      if (!error && sizes() == before) break;
      fs::remove_all(killed);
    }
    close();
    fs::remove_all(rocks_.directory);
    fs::rename(killed, rocks_.directory);
  }

  std::map<fs::path, std::uintmax_t> sizes() const {
    std::map<fs::path, std::uintmax_t> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(rocks_.directory)) {
      found[entry.path()] = entry.file_size(error);
    }
    return found;
  }

  std::vector<fs::path> files(std::string_view extension) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(rocks_.directory)) {
      if (entry.path().extension() == extension && fs::file_size(entry) > 0) {
        found.push_back(entry.path());
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  // Behind it are zeros, where the log was not closed.
  static std::uint64_t end_of_data(const fs::path& log) {
    std::ifstream file(log, std::ios::binary);
    const std::string octets((std::istreambuf_iterator<char>(file)), {});
    return octets.find_last_not_of('\0') + 1;
  }

  static void flip(const fs::path& path, std::uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int octet = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(octet ^ 0x10));
  }

  // Delivers all that comes due; the number of messages whose whole body came, which is checked.
  int deliver_all() {
    clock_.advance(std::chrono::minutes(2));
    settle();
    int whole = 0;
    for (int round = 0; round < 5 || !leases_.empty(); ++round) {
      std::vector<Lease> taken = std::exchange(leases_, {});
      for (Lease& lease : taken) {
        core_->read_body(std::move(lease), [&](Lease back, Result<void> read) {
          if (!read) return;  // its lease ends here, and with it what is damaged
          EXPECT_EQ(back.body()->to_string(), body_of(back.message().id));
          ++whole;
          Completion completion;
          completion.fates = {Fate::kDelivered};
          core_->finish(std::move(back), std::move(completion));
        });
      }
      settle();
      clock_.advance(Seconds(1));  // a store that met damage while compacting is reopened
      settle();
    }
    return whole;
  }

  [[nodiscard]] int quarantined() const {
    int count = 0;
    const std::string lower(1, space::kQuarantine);
    const auto cursor = store_->scan(lower, after_prefix(lower));
    for (; cursor->valid(); cursor->next()) ++count;
    return count;
  }

  std::string root_;
  RocksOptions rocks_;
  ManualClock clock_;
  SeededRandom random_{7};
  metrics::Registry registry_;
  std::vector<Lease> leases_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Core> core_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Reader> reader_;
};

TEST_F(DamagedFiles, NoneIsFoundWhereThereIsNone) {
  die();
  open();
  EXPECT_EQ(deliver_all(), kMessages);
  EXPECT_EQ(core_->stats().messages, 0U);
  EXPECT_THAT(said(), ::testing::Not(HasSubstr("damage")));
}

TEST_F(DamagedFiles, ATornLogLosesItsTailAlone) {
  die();
  const auto logs = files(".log");
  ASSERT_FALSE(logs.empty());
  fs::resize_file(logs.back(), end_of_data(logs.back()) - 5);
  open();
  EXPECT_EQ(deliver_all(), kMessages);  // a deferral is lost: it is due earlier
}

TEST_F(DamagedFiles, AFlippedBitInTheLogIsKeptAsideAndSaid) {
  die();
  const auto logs = files(".log");
  ASSERT_FALSE(logs.empty());
  flip(logs.back(), end_of_data(logs.back()) / 2);
  open();
  const int whole = deliver_all();
  EXPECT_GT(whole, kMessages / 2);
  EXPECT_THAT(said(), HasSubstr("damaged and dropped"));
  bool kept = false;
  for (const auto& entry : fs::directory_iterator(rocks_.directory)) {
    kept = kept || entry.path().filename().string().starts_with("damaged-");
  }
  EXPECT_TRUE(kept);
}

// Wherever it hits: a body, a record, an index block, the foot of the file.
TEST_F(DamagedFiles, AFlippedBitInATableCostsAtMostItsBlock) {
  die();
  const std::string pristine = root_ + "/pristine";
  fs::copy(rocks_.directory, pristine, fs::copy_options::recursive);
  ASSERT_GE(files(".sst").size(), 1U);
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  for (int round = 0; round < 12; ++round) {
    close();
    fs::remove_all(rocks_.directory);
    fs::copy(pristine, rocks_.directory, fs::copy_options::recursive);
    said().clear();
    const auto tables = files(".sst");
    const fs::path table = tables[random.below(tables.size())];
    const std::uint64_t size = fs::file_size(table);
    const std::uint64_t at = round < 4 ? size - 1 - random.below(2000) : random.below(size);
    SCOPED_TRACE(table.string() + " at " + std::to_string(at) + " of " + std::to_string(size));
    flip(table, at);
    open();
    int whole = deliver_all();
    // What the damage hid from a running queue the next start brings back.
    close();
    open();
    whole += deliver_all();
    if (whole < kMessages) {
      EXPECT_THAT(said(), HasSubstr("damage"));
    }
    EXPECT_GE(whole, kMessages / 2);
    EXPECT_TRUE(core_->health().accepting);
  }
}

// Bodies stand before the records of their messages: what follows the block is not lost with it.
TEST_F(DamagedFiles, AFlippedBitAmongBodiesCostsTheirOwnMessagesAlone) {
  die();
  const std::string pristine = root_ + "/pristine";
  fs::copy(rocks_.directory, pristine, fs::copy_options::recursive);
  const std::uint64_t seed = std::random_device()();
  SeededRandom random(seed);
  for (const std::uint64_t percent : {std::uint64_t{15}, std::uint64_t{50}, std::uint64_t{85},
                                      random.below(86), random.below(86)}) {
    close();
    fs::remove_all(rocks_.directory);
    fs::copy(pristine, rocks_.directory, fs::copy_options::recursive);
    said().clear();
    const auto tables = files(".sst");
    const fs::path table = *std::max_element(
        tables.begin(), tables.end(),
        [](const auto& a, const auto& b) { return fs::file_size(a) < fs::file_size(b); });
    const std::uint64_t at = fs::file_size(table) * percent / 100;
    SCOPED_TRACE("seed " + std::to_string(seed) + ", " + table.string() + " at " +
                 std::to_string(percent) + " percent, " + std::to_string(at));
    flip(table, at);
    open();
    int whole = deliver_all();
    close();
    open();
    EXPECT_TRUE(fs::exists(rocks_.directory + "/lost/" + table.filename().string()));
    whole += deliver_all();
    EXPECT_GE(whole, kMessages - kBodiesOfABlock);
    EXPECT_GE(whole + quarantined(), kMessages);
    EXPECT_THAT(said(), ::testing::Not(HasSubstr("missing after")));
    EXPECT_TRUE(core_->health().accepting);
  }
}

TEST_F(DamagedFiles, AMissingTableCostsWhatStoodInIt) {
  die();
  const auto tables = files(".sst");
  ASSERT_GE(tables.size(), 2U);
  fs::remove(tables.front());
  open();
  const int whole = deliver_all();
  EXPECT_GT(whole, 0);
  EXPECT_LT(whole, kMessages);
  EXPECT_THAT(said(), HasSubstr("the store is damaged"));
  EXPECT_THAT(said(), HasSubstr("rebuilt from what verifies"));
  EXPECT_THAT(said(), HasSubstr("messages are missing after the repair"));
  EXPECT_GT(quarantined(), 0);
  EXPECT_TRUE(core_->health().accepting);
}

TEST_F(DamagedFiles, WithoutItsManifestItStartsFromTheTables) {
  die();
  for (const auto& entry : fs::directory_iterator(rocks_.directory)) {
    const std::string name = entry.path().filename();
    if (name == "CURRENT" || name.starts_with("MANIFEST")) fs::remove(entry.path());
  }
  open();
  EXPECT_EQ(deliver_all(), kMessages);
}

TEST_F(DamagedFiles, AQueueThatCannotBeWrittenIsNotOpened) {
  close();
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  fs::permissions(rocks_.directory, fs::perms::owner_read | fs::perms::owner_exec);
  const auto opened = open_rocks_store(rocks_);
  fs::permissions(rocks_.directory, fs::perms::owner_all);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().text(), HasSubstr(rocks_.directory));
}

}  // namespace
}  // namespace postrider::queue
