// store_directory: the directory a store works in: that it is there and ours, and that write-ahead
// logs are kept aside before recovery drops what is damaged in them. Thread: pure functions over
// the file system, one caller a directory.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "relay/base/result.h"

namespace postrider::queue {

// Damaged logs kept aside for an operator to look at; older ones are removed.
inline constexpr std::size_t kDamagedKept = 3;

// Creates it if missing (mode 0700). Fails where it is no directory, belongs to another user, or
// cannot be written.
Result<void> make_store_directory(const std::string& directory);

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
