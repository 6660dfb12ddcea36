// rocks_environment: what RocksDB takes for the system: the system itself, but that the blocks of a
// write-ahead log are written with zeros before their turn comes. Private to the door, rocks_store.
// Thread: any; a file belongs to who writes it.
//
// Where a file grows, the sync of a write also waits for the file system's journal, which notes the
// new size and the new blocks: on ext4 and XFS that takes as long again as the data. Over blocks
// that have been written once there is nothing to note. A log that nobody closed (a crash) ends in
// zeros; the next open cuts them off (log_gap.h).
#pragma once

#include <cstdint>
#include <rocksdb/env.h>

namespace postrider::queue {

// Zeros are written up to this far beyond the end of a log, in octets.
constexpr std::uint64_t kZerosAhead = 256U << 10;
// A sync that covers more octets than this has more to wait for than the journal, and small files
// are not worth writing twice.
constexpr std::uint64_t kZerosForSyncsMax = 32U << 10;

// There is one, until the process ends.
rocksdb::Env* environment();

}  // namespace postrider::queue
