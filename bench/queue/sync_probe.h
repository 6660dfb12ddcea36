// sync_probe: counts every fsync, fdatasync and sync_file_range of this process, whichever library
// makes it, and makes each take longer, by standing in front of the C library's functions. (RocksDB
// opens no file with O_DSYNC.) Thread: any.
#pragma once

#include <chrono>
#include <cstdint>

namespace postrider::bench {

std::uint64_t syncs();
// Slept behind each real one.
void set_sync_delay(std::chrono::microseconds delay);

}  // namespace postrider::bench
