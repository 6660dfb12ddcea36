#include "queue/rocks_store.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <vector>

#include <rocksdb/utilities/table_properties_collectors.h>

#include "relay/base/log.h"

namespace postrider::queue {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlockCacheSize = 32U << 20;
constexpr int kOpenFilesMax = 512;
constexpr int kBloomBitsPerKey = 10;
constexpr std::uint64_t kTableFileSize = 32ULL << 20;
constexpr std::uint64_t kPeriodicCompactionSeconds = 24ULL * 3600;
// A table file in which half of some 16384 neighbouring entries are deletions is compacted: what
// has been delivered gives its space back, and scans do not walk over it.
constexpr std::size_t kDeletionWindow = 16384;
constexpr std::size_t kDeletionTrigger = 8192;
constexpr double kDeletionRatio = 0.5;
// Damaged logs kept aside for an operator to look at; older ones are removed.
constexpr std::size_t kDamagedKept = 3;

Error to_error(std::string_view what, const rocksdb::Status& status) {
  const int code = status.IsNoSpace() ? ENOSPC : status.IsIOError() ? EIO : 0;
  return Error(std::string(what) + ": " + status.ToString(), code);
}

rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

std::string_view view(const rocksdb::Slice& bytes) {
  return {bytes.data(), bytes.size()};
}

// Hands the database's warnings to the log and notices when recovery drops something: RocksDB says
// so nowhere else. It writes no file: RocksDB's own logger aborts the process when the disk it
// shares with the queue is full (an assertion that Debian's build keeps).
class WatchingLogger final : public rocksdb::Logger {
 public:
  WatchingLogger() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}

  using rocksdb::Logger::Logv;

  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level < rocksdb::InfoLogLevel::WARN_LEVEL) return;
    std::array<char, 512> text{};
    const int size = std::vsnprintf(text.data(), text.size(), format, arguments);
    if (size <= 0) return;
    std::string_view line = text.data();
    while (line.ends_with('\n')) line.remove_suffix(1);
    if (line.find("dropping") != std::string_view::npos) note(line);
    log::warning("queue", "the database says", {{"what", line}});
  }

  void LogHeader(const char* /*format*/, va_list /*arguments*/) override {}

  // What was dropped so far, one entry a message of the database.
  std::vector<std::string> dropped() {
    const std::lock_guard held(mutex_);
    return dropped_;
  }

 private:
  void note(std::string_view line) {
    const std::lock_guard held(mutex_);
    if (dropped_.size() < 16) dropped_.emplace_back(line);
  }

  std::mutex mutex_;
  std::vector<std::string> dropped_;  // guarded by mutex_
};

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
  RocksCursor(rocksdb::DB& db, std::string_view lower, std::string_view upper)
      : lower_(lower), upper_(upper), lower_slice_(lower_), upper_slice_(upper_) {
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &lower_slice_;
    options.iterate_upper_bound = &upper_slice_;
    iterator_.reset(db.NewIterator(options));
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
    if (!status.ok()) return failure(to_error("reading the queue", status));
    return {};
  }

 private:
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

class RocksStore final : public Store {
 public:
  RocksStore(std::string directory, std::shared_ptr<rocksdb::Cache> cache,
             std::shared_ptr<WatchingLogger> logger, std::unique_ptr<rocksdb::DB> db)
      : directory_(std::move(directory)),
        cache_(std::move(cache)),
        logger_(std::move(logger)),
        db_(std::move(db)) {}

  ~RocksStore() override {
    const rocksdb::Status status = db_->Close();
    if (!status.ok()) log::error("queue", "closing the store failed", {{"why", status.ToString()}});
  }

  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  std::unique_ptr<Batch> new_batch() override { return std::make_unique<RocksBatch>(); }

  Result<void> write(Batch& batch, bool sync) override {
    auto& own = static_cast<RocksBatch&>(batch);
    if (!own.status().ok()) return failure(to_error("building a write", own.status()));
    if (failed_) {
      // A failed write leaves the database refusing all others until it is told that the cause may
      // be gone; that it is gone shows only in the next write.
      const rocksdb::Status resumed = db_->Resume();
      if (!resumed.ok()) return failure(to_error("resuming after a failed write", resumed));
    }
    rocksdb::WriteOptions options;
    options.sync = sync;
    const rocksdb::Status status = db_->Write(options, &own.batch());
    failed_ = !status.ok();
    if (failed_) return failure(to_error("writing the queue", status));
    return {};
  }

  Result<std::optional<Chunk>> get(std::string_view key) override {
    auto pinned = std::make_shared<PinnedValue>();
    pinned->cache = cache_;
    const rocksdb::Status status =
        db_->Get(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), slice(key), &pinned->value);
    if (status.IsNotFound()) return std::optional<Chunk>();
    if (!status.ok()) return failure(to_error("reading the queue", status));
    const std::string_view bytes = view(pinned->value);
    return std::optional<Chunk>(Chunk(std::move(pinned), bytes));
  }

  std::unique_ptr<Cursor> scan(std::string_view lower, std::string_view upper) override {
    return std::make_unique<RocksCursor>(*db_, lower, upper);
  }

  std::optional<std::uint64_t> free_space() override {
    struct statvfs disk {};

    if (::statvfs(directory_.c_str(), &disk) != 0) return std::nullopt;
    return static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  }

 private:
  std::string directory_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::shared_ptr<WatchingLogger> logger_;
  std::unique_ptr<rocksdb::DB> db_;
  bool failed_ = false;  // only write() uses it
};

rocksdb::Options make_options(const RocksOptions& wanted,
                              const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  // Index and filter blocks live in the cache too, so that memory has one bound.
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  table.format_version = 5;

  rocksdb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = wanted.memtable_size;
  options.max_write_buffer_number = 3;
  options.max_total_wal_size = wanted.log_size_max;
  options.target_file_size_base = kTableFileSize;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.compression = rocksdb::kLZ4Compression;
  options.max_background_jobs = 2;
  options.max_open_files = kOpenFilesMax;
  options.skip_stats_update_on_db_open = true;
  options.periodic_compaction_seconds = kPeriodicCompactionSeconds;
  options.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(kDeletionWindow, kDeletionTrigger,
                                                    kDeletionRatio));
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  return options;
}

Result<void> make_directory(const std::string& directory) {
  std::error_code error;
  const fs::path parent = fs::path(directory).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return failure(Error::from_errno("creating queue directory " + directory, errno));
  }
  if (!fs::is_directory(directory, error)) {
    return failure("queue directory " + directory + " is not a directory", ENOTDIR);
  }
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    return failure(Error::from_errno("queue directory " + directory + " cannot be written", errno));
  }
  return {};
}

// Second names for the write-ahead logs, in `aside`, made before recovery may drop them. Best
// effort: an unlinkable log is no reason to refuse mail.
void link_logs(const fs::path& directory, const fs::path& aside) {
  std::error_code error;
  fs::remove_all(aside, error);
  fs::create_directory(aside, error);
  fs::permissions(aside, fs::perms::owner_all, error);
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().extension() != ".log") continue;
    fs::create_hard_link(entry.path(), aside / entry.path().filename(), error);
  }
}

void remove_oldest_damaged(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> kept;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().filename().string().starts_with("damaged-")) kept.push_back(entry.path());
  }
  std::sort(kept.begin(), kept.end());
  while (kept.size() > kDamagedKept) {
    fs::remove_all(kept.front(), error);
    kept.erase(kept.begin());
  }
}

void keep_damaged_logs(const fs::path& directory, const fs::path& aside,
                       const std::vector<std::string>& dropped) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto stamp = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const fs::path kept = directory / ("damaged-" + std::to_string(stamp));
  // Copies, not links: the database goes on to shorten and remove its own.
  std::error_code error;
  fs::copy(aside, kept, fs::copy_options::recursive, error);
  for (const std::string& what : dropped) {
    log::warning("queue", "part of the write-ahead log was damaged and dropped",
                 {{"what", what}, {"copy", kept.string()}});
  }
  remove_oldest_damaged(directory);
}

bool is_lock_conflict(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return status.IsIOError() && (text.find("While lock file") != std::string::npos ||
                                text.find("lock hold by current process") != std::string::npos);
}

}  // namespace

Result<std::unique_ptr<Store>> open_rocks_store(const RocksOptions& wanted) {
  if (auto made = make_directory(wanted.directory); !made) return failure(made.error());
  const auto cache = rocksdb::NewLRUCache(kBlockCacheSize);
  rocksdb::Options options = make_options(wanted, cache);

  // Before the logs are touched: whoever holds the lock is using them right now.
  const std::string lock_name = wanted.directory + "/LOCK";
  rocksdb::FileLock* lock = nullptr;
  rocksdb::Env* env = rocksdb::Env::Default();
  rocksdb::Status status = env->LockFile(lock_name, &lock);
  if (is_lock_conflict(status)) {
    return failure("queue directory " + wanted.directory + " is in use by another postrider",
                   EBUSY);
  }
  if (!status.ok()) return failure(to_error("opening queue " + wanted.directory, status));
  const fs::path aside = fs::path(wanted.directory) / "logs-before-recovery";
  link_logs(wanted.directory, aside);
  auto logger = std::make_shared<WatchingLogger>();
  options.info_log = logger;
  status = env->UnlockFile(lock);
  if (!status.ok()) return failure(to_error("opening queue " + wanted.directory, status));

  rocksdb::DB* opened = nullptr;
  status = rocksdb::DB::Open(options, wanted.directory, &opened);
  if (is_lock_conflict(status)) {
    return failure("queue directory " + wanted.directory + " is in use by another postrider",
                   EBUSY);
  }
  const std::vector<std::string> dropped = logger->dropped();
  if (!dropped.empty()) keep_damaged_logs(wanted.directory, aside, dropped);
  std::error_code error;
  fs::remove_all(aside, error);
  if (!status.ok()) return failure(to_error("opening queue " + wanted.directory, status));
  return std::unique_ptr<Store>(new RocksStore(wanted.directory, cache, std::move(logger),
                                               std::unique_ptr<rocksdb::DB>(opened)));
}

}  // namespace postrider::queue
