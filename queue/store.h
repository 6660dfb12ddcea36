// Store: the port between the queue's logic and a disk. An ordered map from byte strings to byte
// strings with atomic batches. Two stand behind it: rocks_store (the door to RocksDB) and
// memory_store (an ordered map that can fail any call and forget what was not synced). All queue
// logic is above this line, once.
//
// Thread: write() from one thread at a time; get() and cursors from any thread, also during a
// write().
#pragma once

#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "relay/base/bytes.h"
#include "relay/base/result.h"

namespace postrider::queue {

// The changes of one atomic write, in order: for one key the last change stands. Thread: one owner.
class Batch {
 public:
  virtual ~Batch() = default;
  // Key and value are copied in by the call.
  virtual void put(std::string_view key, std::string_view value) = 0;
  // The value is the pieces in a row; saves joining them first.
  virtual void put(std::string_view key, std::span<const std::string_view> pieces) = 0;
  virtual void erase(std::string_view key) = 0;
  // Octets the log will grow by, about.
  [[nodiscard]] virtual std::size_t size() const = 0;
  // Empty again; memory is kept for reuse.
  virtual void clear() = 0;
};

// A forward walk over the keys in [lower, upper) as they were when it was made. Thread: one owner.
class Cursor {
 public:
  virtual ~Cursor() = default;
  // False at the end, and after an error: look at status() then.
  [[nodiscard]] virtual bool valid() const = 0;
  virtual void next() = 0;
  // To the first key at or above `key` within the bounds.
  virtual void seek(std::string_view key) = 0;
  // Valid until the cursor moves.
  [[nodiscard]] virtual std::string_view key() const = 0;
  [[nodiscard]] virtual std::string_view value() const = 0;
  [[nodiscard]] virtual Result<void> status() const = 0;
};

// What the disk has left, and what of that is spoken for.
struct Space {
  std::uint64_t free = 0;                                           // octets
  std::uint64_t files = std::numeric_limits<std::uint64_t>::max();  // that can still be made
  // Octets the store will write by itself for what it has taken in already.
  std::uint64_t owed = 0;
};

// What is stored there is not what was written: it will be no better at the next try.
inline bool is_damage(const Error& error) {
  return error.system_code() == EBADMSG;
}

class Store {
 public:
  virtual ~Store() = default;
  virtual std::unique_ptr<Batch> new_batch() = 0;
  // All of `batch` or none of it. With `sync` it returns only once this and every earlier write
  // survive a power loss. After an error it is unknown whether the batch survives a restart,
  // nothing more can be written before reopen(), and the same batch is never written again.
  virtual Result<void> write(Batch& batch, bool sync) = 0;
  // The value as a chunk that shares the store's own memory where it can; nullopt: no such key.
  // An error means damage (is_damage) or a failing disk, never absence.
  virtual Result<std::optional<Chunk>> get(std::string_view key) = 0;
  // Positioned at the first key >= lower. The lower bound matters: walking over deleted entries
  // from the start of a key space costs as much as if they were there.
  virtual std::unique_ptr<Cursor> scan(std::string_view lower, std::string_view upper) = 0;
  // Closes and opens anew, in the thread that writes: the only way on after a failed write, since a
  // sync that failed must not be tried again and believed. What can be read afterwards is on stable
  // storage: all that was synced, and of what was written behind it the first part, or all. Cursors
  // are waited for; calls of other threads fail meanwhile. After an error it may be called again;
  // until it succeeds all calls fail.
  virtual Result<void> reopen() = 0;
  // Damage was cut out when it was opened: any entry may be missing, and one that had been erased
  // may be back. True at every open until rebuilt() is called.
  [[nodiscard]] virtual bool was_repaired() const = 0;
  virtual Result<void> rebuilt() = 0;
  // Nullopt where that has no meaning.
  virtual std::optional<Space> space() = 0;
  // What the store does by itself (compaction) leaves `floor` octets of the disk free. The caller
  // still wants about `live` octets of what it wrote: if the disk is short and the files hold far
  // more, the rest is given back in the background. False: that failed, in a way that only reopen()
  // ends.
  virtual bool keep_free(std::uint64_t floor, std::uint64_t live) = 0;
};

}  // namespace postrider::queue
