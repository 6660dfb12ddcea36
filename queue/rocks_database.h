// rocks_database: opens RocksDB with the options a queue wants, and closes it. Private to the door,
// rocks_store. Thread: open from one at a time.
#pragma once

#include <future>
#include <memory>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_manager.h>
#include <string_view>

#include "queue/rocks_store.h"

namespace postrider::queue {

// An open database. Whoever reads from it keeps it open.
struct Database {
  Database(std::shared_ptr<rocksdb::Cache> blocks, std::shared_ptr<rocksdb::SstFileManager> tables,
           std::unique_ptr<rocksdb::DB> opened, std::uint64_t level)
      : cache(std::move(blocks)),
        files(std::move(tables)),
        db(std::move(opened)),
        first_level(level) {}

  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::shared_ptr<rocksdb::Cache> cache;
  const std::shared_ptr<rocksdb::SstFileManager> files;
  std::unique_ptr<rocksdb::DB> db;
  const std::uint64_t first_level;  // octets, about: what a first compaction writes
  std::string directory;
  std::promise<void> closed;
};

// Fails as open_rocks_store() does.
Result<std::shared_ptr<Database>> open_database(const RocksOptions& options);

// What reading met is damage: the next open repairs.
void note_damage(const std::string& directory, const rocksdb::Status& status);

// ENOSPC where the disk is full, EBADMSG for damage, EIO for other errors of the disk.
Error to_error(std::string_view what, const rocksdb::Status& status);

}  // namespace postrider::queue
