// QueueEntry: what memory holds of one queue. There is one for every queue on disk, so what a queue
// needs only while something of it is under way stands apart, and its name is kept once, as the
// store has it. Thread: none of its own; DueIndex holds them, under its lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "queue/keys.h"

namespace postrider::queue {

// Where a queue stands in the order of waking.
enum class Place : std::uint8_t {
  kIdle,      // nothing unleased is on disk
  kWaiting,   // in the wake order, until its earliest time
  kReady,     // due; its turn comes
  kScanning,  // the reader is at it
  kBlocked,   // due, but has as many leases as it may have
};

class QueueEntry {
 public:
  // The commit thread's own, for the group it is writing.
  struct Plan {
    bool touched = false;
    std::int64_t deliveries = 0;
    std::int64_t bytes = 0;
    std::int64_t on_hold = 0;
    WallTime due_bound = WallTime::max();
  };

  // There while something of the queue is leased, held, given back, scanned, blocked or written.
  struct Work {
    Position lowered = Position::end();  // while scanning: the lowest that has come in meanwhile
    std::set<Position> returned;         // given back undone, below the cursor; at most
                                         // DueIndex::kReturnedMax
    std::uint64_t blocked_turn = 0;      // while blocked: since which turn
    std::size_t leases = 0;
    std::size_t held = 0;                      // leased or held: the entry must stay
    std::map<WallTime, std::uint32_t> leased;  // due times of those, so that disk gets a true bound
    Plan plan;
  };

  // `key` is an encoded queue name.
  QueueEntry(std::string_view key, std::uint64_t age)
      : serial(age),
        size_(static_cast<std::uint32_t>(key.size())),
        text_(std::make_unique<char[]>(key.size())) {
    std::copy(key.begin(), key.end(), text_.get());
  }

  // The name, encoded.
  [[nodiscard]] std::string_view key() const { return {text_.get(), size_}; }

  // Decoded anew by each call.
  [[nodiscard]] QueueName name() const {
    std::string_view rest = key();
    return *decode_queue_name(rest);
  }

  [[nodiscard]] std::string tenant() const { return tenant_of(key()); }

  // The last octet of a name is its band.
  [[nodiscard]] Band band() const { return static_cast<Band>(key().back()); }

  // Makes it if it is not there.
  [[nodiscard]] Work& working() {
    if (!work) work = std::make_unique<Work>();
    return *work;
  }

  [[nodiscard]] std::size_t leases() const { return work ? work->leases : 0; }

  [[nodiscard]] bool is_planned() const { return work && work->plan.touched; }

  const std::uint64_t serial;  // in order of creation
  // As committed. Written by the commit thread under the lock, so it may read them without.
  std::uint64_t deliveries = 0;
  std::uint64_t bytes = 0;
  std::uint32_t on_hold = 0;    // of the deliveries: due when they are released
  std::uint32_t wake_slot = 0;  // WakeOrder's, while waiting
  Position cursor = Position::end();
  std::unique_ptr<Work> work;
  Place place = Place::kIdle;
  bool suspended = false;  // never waiting, nor scanned

 private:
  std::uint32_t size_;            // of text_
  std::unique_ptr<char[]> text_;  // NOLINT(*-avoid-c-arrays): half the size of a string
};

}  // namespace postrider::queue
