#include "queue/rocks_store.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <rocksdb/write_batch.h>
#include <sys/statvfs.h>
#include <thread>
#include <vector>

#include "queue/rocks_database.h"
#include "queue/store_directory.h"
#include "relay/base/clock.h"
#include "relay/base/guarded.h"
#include "relay/base/log.h"

namespace postrider::queue {

namespace {

// Cursors end within moments; a store whose cursors do not is reopened later.
constexpr Seconds kCursorWait{5};
// Tables this much above twice what is wanted hold deleted mail that is worth a compaction; asked
// for at most so often.
constexpr std::uint64_t kGarbageMin = 8ULL << 20;
constexpr Seconds kReclaimInterval{1};
// Disks with less room than this part of them are short of it.
constexpr std::uint64_t kShortPart = 8;
// Moves the library's bound on all tables out of the way of its bound on compactions.
constexpr std::uint64_t kNoTableBound = 1ULL << 50;

Error being_reopened() {
  return Error("the queue's store is being opened anew", EAGAIN);
}

rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

std::string_view view(const rocksdb::Slice& bytes) {
  return {bytes.data(), bytes.size()};
}

class RocksBatch final : public Batch {
 public:
  void put(std::string_view key, std::string_view value) override {
    keep(batch_.Put(slice(key), slice(value)));
  }

  void put(std::string_view key, std::span<const std::string_view> pieces) override {
    slices_.clear();
    for (const std::string_view piece : pieces) slices_.push_back(slice(piece));
    const rocksdb::Slice name = slice(key);
    keep(batch_.Put(rocksdb::SliceParts(&name, 1),
                    rocksdb::SliceParts(slices_.data(), static_cast<int>(slices_.size()))));
  }

  void erase(std::string_view key) override { keep(batch_.Delete(slice(key))); }

  [[nodiscard]] std::size_t size() const override { return batch_.GetDataSize(); }

  void clear() override {
    batch_.Clear();
    status_ = rocksdb::Status::OK();
  }

  rocksdb::WriteBatch& batch() { return batch_; }

  // The first change that could not be taken in (a value beyond 4 GiB), or OK.
  [[nodiscard]] const rocksdb::Status& status() const { return status_; }

 private:
  void keep(const rocksdb::Status& status) {
    if (status_.ok()) status_ = status;
  }

  rocksdb::WriteBatch batch_;
  rocksdb::Status status_;
  std::vector<rocksdb::Slice> slices_;
};

class RocksCursor final : public Cursor {
 public:
  RocksCursor(std::shared_ptr<Database> database, std::string_view lower, std::string_view upper)
      : database_(std::move(database)),
        lower_(lower),
        upper_(upper),
        lower_slice_(lower_),
        upper_slice_(upper_) {
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &lower_slice_;
    options.iterate_upper_bound = &upper_slice_;
    iterator_.reset(database_->db->NewIterator(options));
    iterator_->Seek(lower_slice_);
  }

  [[nodiscard]] bool valid() const override { return iterator_->Valid(); }

  void next() override { iterator_->Next(); }

  void seek(std::string_view key) override {
    iterator_->Seek(slice(std::max<std::string_view>(key, lower_)));
  }

  [[nodiscard]] std::string_view key() const override { return view(iterator_->key()); }

  [[nodiscard]] std::string_view value() const override { return view(iterator_->value()); }

  [[nodiscard]] Result<void> status() const override {
    const rocksdb::Status status = iterator_->status();
    if (status.ok()) return {};
    note_damage(database_->directory, status);
    return failure(to_error("reading the queue", status));
  }

 private:
  std::shared_ptr<Database> database_;  // the iterator goes before it
  std::string lower_;
  std::string upper_;
  rocksdb::Slice lower_slice_;
  rocksdb::Slice upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

// A value that stays where the database has it. The cache goes after the value that may live in it.
struct PinnedValue {
  std::shared_ptr<rocksdb::Cache> cache;
  rocksdb::PinnableSlice value;
};

// Of a store that is being reopened.
class ClosedCursor final : public Cursor {
 public:
  [[nodiscard]] bool valid() const override { return false; }

  void next() override {}

  void seek(std::string_view /*key*/) override {}

  [[nodiscard]] std::string_view key() const override { return {}; }

  [[nodiscard]] std::string_view value() const override { return {}; }

  [[nodiscard]] Result<void> status() const override { return failure(being_reopened()); }
};

class RocksStore final : public Store {
 public:
  RocksStore(RocksOptions options, std::shared_ptr<Database> database)
      : options_(std::move(options)), closed_(database->closed.get_future()) {
    *database_.lock() = std::move(database);
  }

  ~RocksStore() override { end_reclaim(); }

  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  std::unique_ptr<Batch> new_batch() override { return std::make_unique<RocksBatch>(); }

  Result<void> write(Batch& batch, bool sync) override;
  Result<std::optional<Chunk>> get(std::string_view key) override;

  std::unique_ptr<Cursor> scan(std::string_view lower, std::string_view upper) override {
    auto database = current();
    if (!database) return std::make_unique<ClosedCursor>();
    return std::make_unique<RocksCursor>(std::move(database), lower, upper);
  }

  Result<void> reopen() override;

  [[nodiscard]] bool was_repaired() const override {
    return DamageMark(options_.directory).is_set();
  }

  Result<void> rebuilt() override { return DamageMark(options_.directory).remove(); }

  std::optional<Space> space() override;
  bool keep_free(std::uint64_t floor, std::uint64_t live) override;

 private:
  std::shared_ptr<Database> current() { return *database_.lock(); }

  void reclaim(Database& database);
  void end_reclaim();

  const RocksOptions options_;
  Guarded<std::shared_ptr<Database>> database_;  // null while it is reopened
  // The rest is the writing thread's.
  std::future<void> closed_;  // ready when no database is open any more
  bool failed_ = false;
  TimePoint reclaimed_at_;
  std::uint64_t reclaimed_ = 0;  // sequence number of the database when space was last asked back
  std::uint64_t last_seen_ = 0;  // the same when keep_free() last looked
  std::thread reclaimer_;
  // Shared with it.
  std::atomic<bool> reclaiming_{false};
  std::atomic<bool> closing_{false};
  std::atomic<bool> stuck_{false};  // the last one failed
};

Result<void> RocksStore::write(Batch& batch, bool sync) {
  auto& own = static_cast<RocksBatch&>(batch);
  if (!own.status().ok()) return failure(to_error("building a write", own.status()));
  const auto database = current();
  if (!database) return failure(being_reopened());
  if (failed_) return failure("a write has failed before, and the store was not reopened", EIO);
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = database->db->Write(options, &own.batch());
  failed_ = !status.ok();
  if (failed_) {
    note_damage(options_.directory, status);  // a compaction met it
    return failure(to_error("writing the queue", status));
  }
  return {};
}

Result<std::optional<Chunk>> RocksStore::get(std::string_view key) {
  const auto database = current();
  if (!database) return failure(being_reopened());
  auto pinned = std::make_shared<PinnedValue>();
  pinned->cache = database->cache;
  rocksdb::DB& db = *database->db;
  const rocksdb::Status status =
      db.Get(rocksdb::ReadOptions(), db.DefaultColumnFamily(), slice(key), &pinned->value);
  if (status.IsNotFound()) return std::optional<Chunk>();
  if (!status.ok()) {
    note_damage(options_.directory, status);
    return failure(to_error("reading the queue", status));
  }
  const std::string_view bytes = view(pinned->value);
  return std::optional<Chunk>(Chunk(std::move(pinned), bytes));
}

Result<void> RocksStore::reopen() {
  end_reclaim();
  database_.lock()->reset();
  if (closed_.valid() && closed_.wait_for(kCursorWait) != std::future_status::ready) {
    return failure("reopening queue " + options_.directory + ": it is still being read", EBUSY);
  }
  closed_ = {};
  auto opened = open_database(options_);
  if (!opened) return failure(opened.error().within("reopening"));
  closed_ = (*opened)->closed.get_future();
  failed_ = false;
  *database_.lock() = std::move(*opened);
  return {};
}

std::optional<Space> RocksStore::space() {
  struct statvfs disk {};

  if (::statvfs(options_.directory.c_str(), &disk) != 0) return std::nullopt;
  Space space;
  space.free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (disk.f_files != 0) space.files = disk.f_favail;  // 0: the file system makes them as needed
  // What stands in memory and log becomes tables before the log is given back.
  const auto database = current();
  if (database)
    database->db->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &space.owed);
  return space;
}

bool RocksStore::keep_free(std::uint64_t floor, std::uint64_t live) {
  const auto database = current();
  const auto disk = space();
  if (!database || !disk) return true;
  const std::uint64_t tables = database->files->GetTotalSize();
  const std::uint64_t room = disk->free - std::min(disk->free, floor);
  if (reclaiming_) return true;
  if (reclaimer_.joinable()) reclaimer_.join();
  // A compaction writes at most what it reads.
  database->files->SetCompactionBufferSize(kNoTableBound);
  database->files->SetMaxAllowedSpaceUsage(tables + room + kNoTableBound);
  const std::uint64_t sequence = database->db->GetLatestSequenceNumber();
  const bool is_idle = sequence == std::exchange(last_seen_, sequence);
  const bool is_short = room < (disk->free + tables) / kShortPart;
  const TimePoint now = std::chrono::steady_clock::now();
  const bool worth_it = tables > 2 * live + kGarbageMin && sequence != reclaimed_;
  const bool fits = live + database->first_level <= disk->free;
  if (worth_it && fits && (is_idle || is_short) && now >= reclaimed_at_ + kReclaimInterval) {
    reclaimed_at_ = now;
    reclaimed_ = sequence;
    reclaiming_ = true;
    reclaimer_ = std::thread([this, database] { reclaim(*database); });
  }
  return !stuck_.exchange(false);
}

// Deletions give back what they delete only once they meet it in one compaction. So this one goes
// through all levels, from memory down, and nothing else compacts meanwhile: what it writes is at
// most the first level, or what is still wanted.
void RocksStore::reclaim(Database& database) {
  rocksdb::Status status = database.db->SetOptions({{"disable_auto_compactions", "true"}});
  database.files->SetMaxAllowedSpaceUsage(0);
  database.files->SetCompactionBufferSize(0);
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = true;
  options.allow_write_stall = true;  // which is: do not wait for one to end
  options.canceled = &closing_;
  if (status.ok()) status = database.db->CompactRange(options, nullptr, nullptr);
  // No other compaction before keep_free() has looked again.
  database.files->SetCompactionBufferSize(kNoTableBound);
  database.files->SetMaxAllowedSpaceUsage(kNoTableBound);
  const rocksdb::Status back = database.db->SetOptions({{"disable_auto_compactions", "false"}});
  if (status.ok()) status = back;
  if (!status.ok() && !closing_) {
    log::warning("queue", "giving space back failed", {{"why", status.ToString()}});
    stuck_ = true;
  }
  reclaiming_ = false;
}

void RocksStore::end_reclaim() {
  closing_ = true;
  if (reclaimer_.joinable()) reclaimer_.join();
  closing_ = false;
}

}  // namespace

Result<std::unique_ptr<Store>> open_rocks_store(const RocksOptions& options) {
  auto database = open_database(options);
  if (!database) return failure(database.error());
  return std::unique_ptr<Store>(new RocksStore(options, std::move(*database)));
}

}  // namespace postrider::queue
