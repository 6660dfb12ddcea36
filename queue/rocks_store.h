// rocks_store: the door to RocksDB. Thread: as Store says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "queue/store.h"

namespace postrider::queue {

struct RocksOptions {
  // Created if missing (mode 0700).
  std::string directory;
  // Larger: fewer flushes, messages that are delivered soon never reach a table; costs memory, and
  // start-up after a crash (the log is replayed).
  std::uint64_t memtable_size = 32ULL << 20;
  // All write-ahead logs together.
  std::uint64_t log_size_max = 64ULL << 20;
};

// Opens or creates the database. Fails, naming the directory, when another process holds it, when
// it cannot be written, or when it is damaged beyond repair. A damaged log is copied aside first
// and what was dropped is said in the log. Tables that are damaged or missing are cut out: those
// that do not verify are kept in lost/, what of them can be read is put back, and the store says
// was_repaired().
Result<std::unique_ptr<Store>> open_rocks_store(const RocksOptions& options);

}  // namespace postrider::queue
