// memory_store: a Store in an ordered map that can fail any call and forget what was not synced, so
// that power loss and full disks are seeded tests. Thread: any (one mutex).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "queue/store.h"

namespace postrider::queue {

class MemoryStore final : public Store {
 public:
  MemoryStore();
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;
  ~MemoryStore() override;

  std::unique_ptr<Batch> new_batch() override;
  Result<void> write(Batch& batch, bool sync) override;
  Result<std::optional<Chunk>> get(std::string_view key) override;
  std::unique_ptr<Cursor> scan(std::string_view lower, std::string_view upper) override;
  Result<void> reopen() override;
  [[nodiscard]] bool was_repaired() const override;
  Result<void> rebuilt() override;
  std::optional<Space> space() override;

  bool keep_free(std::uint64_t floor, std::uint64_t live) override;

  // Asked before each call with "write", "sync", "get", "scan" or "reopen" and the number of calls
  // so far; true: the call fails with EIO. A failed "sync" has written but not synced. After a
  // failed "write" or "sync" every write fails until reopen().
  using Fault = std::function<bool(std::string_view call, std::uint64_t count)>;
  void set_fault(Fault fault);
  void set_space(std::optional<Space> space);
  // From now on get() and scans that meet the key find damage, until repair(), or a reopen() after
  // one has met some, which cuts it out.
  void damage(std::string_view key);
  void repair();
  // The next keep_free() fails.
  void get_stuck();
  // Of what is not synced when reopen() comes after a failed sync, it finds all but the last so
  // many writes; those are gone. At first none.
  void lose_on_reopen(std::size_t writes);
  // What a power loss leaves: everything up to the last sync, nothing after it.
  void lose_power();

  [[nodiscard]] std::size_t size() const;
  // Calls of write() with sync so far.
  [[nodiscard]] std::uint64_t syncs() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::queue
