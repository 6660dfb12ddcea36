// LineFile: a file of whole lines, opened for appending. A line that could not be written to its
// end leaves nothing behind, or is at least ended before the next one begins. Private to this
// module. Thread: one caller at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "relay/base/result.h"

namespace postrider::journal {

// Owns a file descriptor; -1: none.
class Descriptor {
 public:
  Descriptor() = default;

  explicit Descriptor(int fd) : fd_(fd) {}

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  ~Descriptor();

  [[nodiscard]] int get() const { return fd_; }

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// open(2) with mode 0640 for a file that is created; errno says why there is none.
Descriptor open_descriptor(const std::string& path, int flags);

// Waits until what was written to the file is on the disk.
Result<void> sync_lines(const Descriptor& file);

class LineFile {
 public:
  // No file: only is_open() and for_sync() may be asked.
  LineFile() = default;
  // Creates the file where it is not there. A last line without an end is ended. A pipe or a device
  // may stand in a file's place; nothing here ever waits for its reader.
  static Result<LineFile> open(const std::string& path);

  struct Lost {
    std::uint64_t lines = 0;
    int error = 0;  // errno of the write that failed; 0: nothing is lost
  };

  // Appends whole lines; those behind the first failed write are lost.
  Lost append(std::string_view lines);

  [[nodiscard]] bool is_open() const { return fd_ != nullptr; }

  // Whether it is a file on a disk, not a pipe or a device.
  [[nodiscard]] bool is_regular() const { return regular_; }

  // Octets in the file now; 0 unless it is regular.
  [[nodiscard]] std::uint64_t size();

  // At least so many as in the file, unless others append to it too; asks nobody.
  [[nodiscard]] std::uint64_t size_bound() const { return size_bound_; }

  // Whether `path` names this file: nobody has renamed or replaced it.
  [[nodiscard]] bool is_at(const std::string& path) const;
  // Removes all lines.
  Result<void> clear();

  // The file, for sync_lines(): it stays open until that is done. Null: there is nothing to be
  // synced.
  [[nodiscard]] std::shared_ptr<const Descriptor> for_sync() const {
    return regular_ ? fd_ : nullptr;
  }

 private:
  bool cut_back(std::size_t octets);

  std::shared_ptr<const Descriptor> fd_;
  bool regular_ = false;
  std::uint64_t size_bound_ = 0;
  bool torn_ = false;  // the last line has no end, and could not be cut off
};

}  // namespace postrider::journal
