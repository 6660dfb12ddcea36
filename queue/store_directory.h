// store_directory: the directory a store works in: that it is there and ours, and that write-ahead
// logs are kept aside before recovery drops what is damaged in them. Thread: pure functions over
// the file system, one caller a directory.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "relay/base/result.h"

namespace postrider::queue {

// Damaged logs kept aside for an operator to look at; older ones are removed.
inline constexpr std::size_t kDamagedKept = 3;

// Creates it if missing (mode 0700). Fails where it is no directory, belongs to another user, or
// cannot be written.
Result<void> make_store_directory(const std::string& directory);

// Tables or logs are there, and the file that would name them is not: a database that lost its
// head, which RocksDB would take for an empty directory and start anew in.
bool lacks_current(const std::string& directory);

// Tables that are not among those that were there before; for a database that failed to open, whose
// logs would come up twice.
class TablesBefore {
 public:
  explicit TablesBefore(std::string directory);
  void remove_newer() const;

 private:
  std::string directory_;
  std::set<std::string> names_;
};

// A file that says, from start to start, that damage was met: the next open repairs, and what may
// have been lost by that is found out before it is removed.
class DamageMark {
 public:
  explicit DamageMark(const std::string& directory) : file_(directory + "/damage-met") {}

  [[nodiscard]] bool is_set() const;
  // Best effort: where it cannot be made, damage is met again.
  void set() const;
  Result<void> remove() const;

 private:
  std::string file_;
};

// Second names for the write-ahead logs, made before recovery may drop them. Best effort: a log
// that cannot be linked is no reason to refuse mail.
class LogsAside {
 public:
  explicit LogsAside(std::string directory);
  // Removes the second names.
  ~LogsAside();
  LogsAside(const LogsAside&) = delete;
  LogsAside& operator=(const LogsAside&) = delete;

  // Copies them to damaged-<time>/ and says in the log what was dropped, and where the copy is.
  void keep(const std::vector<std::string>& dropped) const;

 private:
  std::string directory_;
};

}  // namespace postrider::queue
