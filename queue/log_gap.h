// Log gap: where a write-ahead log has blocks and no record. It is given zeros ahead of its end
// (rocks_environment.h), so after a power loss one of the writes that were under way may be there,
// and one before it not. RocksDB's reader passes over what is zero in a block and goes on with the
// next; of a queue only what was written first may come back. Private to the door, rocks_store.
// Thread: pure functions over the file system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::queue {

// Of RocksDB's log format (its log_format.h): a block is a row of records, each behind a header,
// and less than a header at its end is not used.
inline constexpr std::size_t kLogBlock = 32U << 10;
inline constexpr std::size_t kLogHeader = 7;

// Of a block, of which the last one may be shorter: where the first header stands that is none.
// Nullopt: there is none, or something else is wrong before it, which RocksDB finds.
std::optional<std::size_t> find_gap(std::string_view block);

struct LogGap {
  std::string file;
  std::uint64_t at = 0;   // octets before it
  bool followed = false;  // by anything but zeros
};

// Of the logs in `directory`. One that cannot be read is left to RocksDB.
std::vector<LogGap> find_gaps(const std::string& directory);
// In words, what is lost when they are cut: an entry for each that is followed.
std::vector<std::string> behind(const std::vector<LogGap>& gaps);
// The file ends there. Where that fails RocksDB reads all of it.
void cut(const LogGap& gap);

}  // namespace postrider::queue
