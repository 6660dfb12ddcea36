#include "queue/rocks_database.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <string>
#include <sys/statvfs.h>
#include <system_error>
#include <vector>

#include <rocksdb/utilities/table_properties_collectors.h>

#include "queue/crc32c.h"
#include "queue/log_gap.h"
#include "queue/rocks_environment.h"
#include "queue/salvage.h"
#include "queue/store_directory.h"
#include "relay/base/log.h"

namespace postrider::queue {

namespace {

constexpr std::size_t kBlockCacheSize = 32U << 20;
// Of 8 MiB: by itself the library makes them so small that a large block fits in none.
constexpr int kBlockCacheShardBits = 2;
constexpr int kOpenFilesMax = 512;
constexpr int kBloomBitsPerKey = 10;
constexpr std::uint64_t kTableFileSize = 32ULL << 20;
constexpr std::uint64_t kPeriodicCompactionSeconds = 24ULL * 3600;
// A table file in which half of some 16384 neighbouring entries are deletions is compacted: what
// has been delivered gives its space back, and scans do not walk over it. See DeletionsBelow.
constexpr std::size_t kDeletionWindow = 16384;
constexpr std::size_t kDeletionTrigger = 8192;
constexpr double kDeletionRatio = 0.5;
// A disk holds at least so many memtables, and levels of so many parts of it: on a small one they
// are made smaller, so that what is owed and what a compaction needs stay a small part of it.
constexpr std::uint64_t kMemtablesPerDisk = 32;
constexpr std::uint64_t kMemtableMin = 1ULL << 20;
constexpr std::uint64_t kFirstLevelsPerDisk = 16;
constexpr std::uint64_t kFirstLevelMin = 4ULL << 20;
constexpr std::uint64_t kFirstLevelMax = 256ULL << 20;
// What a log holds takes more room in memory, with small values several times its size.
constexpr std::uint64_t kMemoryPerLog = 4;
// The first byte of a key is its space.
constexpr std::size_t kSpaceSize = 1;

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
    // One that waits for room, as it should, once a second.
    if (line.find("Compaction too large") != std::string_view::npos) return;
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

// Octets of the whole disk; large where that has no meaning.
std::uint64_t disk_size(const std::string& directory) {
  struct statvfs disk {};

  if (::statvfs(directory.c_str(), &disk) != 0) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize;
}

void set_sizes(rocksdb::Options& options, const RocksOptions& wanted) {
  const std::uint64_t disk = disk_size(wanted.directory);
  options.write_buffer_size =
      std::min(wanted.memtable_size, std::max(kMemtableMin, disk / kMemtablesPerDisk));
  options.max_total_wal_size = std::min(wanted.log_size_max, disk / kFirstLevelsPerDisk);
  options.max_bytes_for_level_base =
      std::clamp(disk / kFirstLevelsPerDisk, kFirstLevelMin, kFirstLevelMax);
  options.target_file_size_base = std::min(kTableFileSize, options.max_bytes_for_level_base / 2);
  options.max_write_buffer_number = 3;
}

// Of a table whose deletions are of no interest.
class NoCollector final : public rocksdb::TablePropertiesCollector {
 public:
  rocksdb::Status AddUserKey(const rocksdb::Slice& /*key*/, const rocksdb::Slice& /*value*/,
                             rocksdb::EntryType /*type*/, rocksdb::SequenceNumber /*number*/,
                             std::uint64_t /*file_size*/) override {
    return rocksdb::Status::OK();
  }

  rocksdb::Status Finish(rocksdb::UserCollectedProperties* /*properties*/) override {
    return rocksdb::Status::OK();
  }

  [[nodiscard]] rocksdb::UserCollectedProperties GetReadableProperties() const override {
    return {};
  }

  [[nodiscard]] const char* Name() const override { return "NoCollector"; }
};

// Looks for deletions in the tables below the first level alone. Those of the first are what
// memtables leave behind of mail that came and went, nearly all deletions, and reach over all key
// spaces: compacted one by one, each would have the whole next level of a deep queue written anew.
class DeletionsBelow final : public rocksdb::TablePropertiesCollectorFactory {
 public:
  rocksdb::TablePropertiesCollector* CreateTablePropertiesCollector(Context context) override {
    if (context.level_at_creation == 0) return new NoCollector;
    return collectors_->CreateTablePropertiesCollector(context);
  }

  [[nodiscard]] const char* Name() const override { return "DeletionsBelow"; }

 private:
  std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> collectors_ =
      rocksdb::NewCompactOnDeletionCollectorFactory(kDeletionWindow, kDeletionTrigger,
                                                    kDeletionRatio);
};

rocksdb::Options make_options(const RocksOptions& wanted,
                              const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  // Index and filter blocks live in the cache too, so that memory has one bound.
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  // In parts: a whole filter is a hundred times what a lookup needs of it, and those of a deep
  // queue would drive each other, and all else, out of the cache.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.format_version = 5;

  rocksdb::Options options;
  options.env = environment();
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  set_sizes(options, wanted);
  // What is free is then what can be written: no table takes room ahead of its need, a log little.
  options.allow_fallocate = false;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.compression = rocksdb::kLZ4Compression;
  options.max_background_jobs = 2;
  options.max_open_files = kOpenFilesMax;
  options.skip_stats_update_on_db_open = true;
  options.periodic_compaction_seconds = kPeriodicCompactionSeconds;
  options.table_properties_collector_factories.push_back(std::make_shared<DeletionsBelow>());
  // Ids only grow: within a space an entry mostly belongs right behind the last one.
  options.memtable_insert_with_hint_prefix_extractor.reset(
      rocksdb::NewFixedPrefixTransform(kSpaceSize));
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  return options;
}

bool is_lock_conflict(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  return status.IsIOError() && (text.find("While lock file") != std::string::npos ||
                                text.find("lock hold by current process") != std::string::npos);
}

// A table, the manifest or the file that names it does not verify, or is not there.
bool is_repairable(const rocksdb::Status& status) {
  return status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound() ||
         (status.IsInvalidArgument() &&
          status.ToString().find("does not exist") != std::string::npos);
}

// Makes a new manifest from the tables and logs that are there; a table that does not verify is
// moved to lost/ as a whole, and stays aside until what it holds is put back.
Result<void> repair(const std::string& directory, const rocksdb::Options& options) {
  log::warning("queue", "damage was met; all tables are read and what does not verify is cut out",
               {{"directory", directory}, {"kept", directory + "/lost"}});
  const TablesAside tables(directory);
  tables.link();
  const rocksdb::Status status = rocksdb::RepairDB(directory, options);
  if (!status.ok()) return failure(to_error("repairing queue " + directory, status));
  tables.drop_used();
  return {};
}

// Octets of the write-ahead logs.
std::uint64_t size_of_logs(const std::string& directory) {
  std::error_code error;
  std::uint64_t size = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".log") size += entry.file_size(error);
  }
  return size;
}

// A count of the tables from now on, of one try to open them.
rocksdb::Status count_files(rocksdb::Options& options) {
  rocksdb::Status status;
  options.sst_file_manager.reset(
      rocksdb::NewSstFileManager(options.env, options.info_log, "", 0, true, &status));
  return status;
}

// By itself the library makes tables of what the logs hold before it gives them back. Without room
// for that they stay, and what they hold is in memory until there is room.
rocksdb::Status open_with_logs_kept(rocksdb::Options& options, const std::string& directory,
                                    rocksdb::DB** opened) {
  if (auto counted = count_files(options); !counted.ok()) return counted;
  options.avoid_flush_during_recovery = true;
  options.write_buffer_size =
      std::max<std::size_t>(options.write_buffer_size, kMemoryPerLog * size_of_logs(directory));
  rocksdb::Status status = rocksdb::DB::Open(options, directory, opened);
  if (status.ok()) {
    log::warning("queue", "opened without room on its disk for the store's own work",
                 {{"directory", directory}});
  }
  return status;
}

Error cannot_open(const std::string& directory, const rocksdb::Status& status) {
  Error error = to_error("opening queue " + directory, status);
  if (!status.IsNoSpace()) return error;
  return error.within("the disk is so full that not even a start can be written: give it space");
}

// The lock of the directory, taken and given back: whoever holds it is using the logs right now.
Result<void> check_unused(const std::string& directory) {
  rocksdb::FileLock* lock = nullptr;
  rocksdb::Env* env = environment();
  rocksdb::Status status = env->LockFile(directory + "/LOCK", &lock);
  if (is_lock_conflict(status)) {
    return failure("queue directory " + directory + " is in use by another postrider", EBUSY);
  }
  if (status.ok()) status = env->UnlockFile(lock);
  if (!status.ok()) return failure(to_error("opening queue " + directory, status));
  return {};
}

}  // namespace

Database::~Database() {
  const rocksdb::Status status = db->Close();
  if (!status.ok()) {
    log::warning("queue", "closing the store failed", {{"why", status.ToString()}});
  }
  db.reset();
  closed.set_value();
}

void note_damage(const std::string& directory, const rocksdb::Status& status) {
  const DamageMark mark(directory);
  if (!status.IsCorruption() || mark.is_set()) return;
  mark.set();
  log::error("queue", "damage was met in the store; the next start repairs what can be",
             {{"why", status.ToString()}});
}

Error to_error(std::string_view what, const rocksdb::Status& status) {
  const int code = status.IsNoSpace()      ? ENOSPC
                   : status.IsCorruption() ? EBADMSG
                   : status.IsIOError()    ? EIO
                                           : 0;
  return Error(std::string(what) + ": " + status.ToString(), code);
}

Result<std::shared_ptr<Database>> open_database(const RocksOptions& wanted) {
  const std::string& directory = wanted.directory;
  if (auto made = make_store_directory(directory); !made) return failure(made.error());
  if (auto unused = check_unused(directory); !unused) return failure(unused.error());
  const LogsAside aside(directory);
  const std::vector<LogGap> gaps = find_gaps(directory);
  if (const auto lost = behind(gaps); !lost.empty()) aside.keep(lost);
  for (const LogGap& gap : gaps) cut(gap);

  auto cache = rocksdb::NewLRUCache(kBlockCacheSize, kBlockCacheShardBits);
  rocksdb::Options options = make_options(wanted, cache);
  auto logger = std::make_shared<WatchingLogger>();
  options.info_log = logger;
  rocksdb::Status status = count_files(options);
  if (!status.ok()) return failure(to_error("opening queue " + directory, status));
  const DamageMark mark(directory);
  if (lacks_current(directory)) mark.set();
  if (mark.is_set()) {
    if (auto repaired = repair(directory, options); !repaired) return failure(repaired.error());
  }
  const TablesBefore tables(directory);
  rocksdb::DB* opened = nullptr;
  status = rocksdb::DB::Open(options, directory, &opened);
  if (status.IsNoSpace()) {
    tables.remove_newer();
    status = open_with_logs_kept(options, directory, &opened);
  }
  if (!mark.is_set() && is_repairable(status)) {
    log::error("queue", "the store is damaged", {{"why", status.ToString()}});
    mark.set();
    tables.remove_newer();  // made of logs that are still there
    if (auto repaired = repair(directory, options); !repaired) return failure(repaired.error());
    status = rocksdb::DB::Open(options, directory, &opened);
  }
  if (is_lock_conflict(status)) {
    return failure("queue directory " + directory + " is in use by another postrider", EBUSY);
  }
  if (const auto dropped = logger->dropped(); !dropped.empty()) aside.keep(dropped);
  if (!status.ok()) return failure(cannot_open(directory, status));
  auto database = std::make_shared<Database>(std::move(cache), options.sst_file_manager,
                                             std::unique_ptr<rocksdb::DB>(opened),
                                             options.max_bytes_for_level_base);
  database->directory = directory;
  if (mark.is_set()) {
    const auto done = put_back(*database->db, options, TablesAside(directory));
    if (!done) return failure(done.error().within("repairing queue " + directory));
  }
  return database;
}

}  // namespace postrider::queue

#if defined(__x86_64__)
// Takes the place of the library's own function of this name. Debian builds it for processors
// without the instruction, with a table that is many times slower: a third of what a large body
// costs in the log. Where a later library does not call it, nothing changes.
namespace rocksdb::crc32c {

// NOLINTNEXTLINE(readability-identifier-naming): the library gives the name
std::uint32_t Extend(std::uint32_t before, const char* bytes, std::size_t size);

// NOLINTNEXTLINE(readability-identifier-naming): the library gives the name
std::uint32_t Extend(std::uint32_t before, const char* bytes, std::size_t size) {
  return postrider::queue::crc32c({bytes, size}, before);
}

}  // namespace rocksdb::crc32c
#endif
