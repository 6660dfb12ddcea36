// DueIndex: what memory knows of the due index on disk: a small entry per queue with the place from
// which its part has to be read, the order in which queues wake, and who is leased.
//
// Invariant: every delivery that is on disk and neither leased nor held stands at or above its
// queue's cursor, or among the returned. So a scan that starts at the cursor misses nothing and
// walks over none of what was deleted below it.
//
// Thread: none of its own; whoever calls holds the one lock around it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "queue/keys.h"
#include "queue/queue_entry.h"
#include "queue/suspensions.h"
#include "queue/wake_order.h"

namespace postrider::queue {

class DueIndex {
 public:
  struct Limits {
    std::size_t leases_max = 0;
    std::size_t leases_per_queue_max = 0;
  };

  // What becomes of a delivery when its lease comes back undone.
  enum class Verdict : std::uint8_t { kNone, kRemove, kHold, kQuarantine };

  struct Holding {
    QueueEntry* queue = nullptr;
    WallTime due;
    bool is_lease = false;  // counts against the limits
    bool in_bound = true;   // its due time is in QueueEntry::Work::leased
    Verdict verdict = Verdict::kNone;
  };

  static constexpr std::size_t kReturnedMax = 4096;  // of one queue
  // Of the leases that are kept for fresh mail a queue has a share of so many at most.
  static constexpr std::size_t kKeptPortion = 64;
  // So many turns go to others while something of a band is ready; then it has the next, the lowest
  // first where that is more than one.
  static constexpr unsigned kPassedOverMax = 8;
  // Of all leases, one in so many is kept from the lowest band, and from all but the highest: mail
  // of a higher band finds one free however much of the lower ones is under way.
  static constexpr std::size_t kKeptFromLow = 8;
  static constexpr std::size_t kKeptForHigh = 16;

  explicit DueIndex(Limits limits) : limits_(limits) {}

  // --- queues ---
  QueueEntry& find_or_create(const QueueName& name) { return find_or_create(encode(name)); }

  // `key` is an encoded queue name.
  QueueEntry& find_or_create(std::string_view key);
  [[nodiscard]] QueueEntry* find(std::string_view key);
  // Drops the entry at the next sweep() at which nothing of it is left anywhere.
  void retire(QueueEntry& queue);
  // Entries that were retired may be gone after it.
  void sweep();
  // Gives back what the queue needs only while something of it is under way, if nothing is.
  static void rest(QueueEntry& queue);

  [[nodiscard]] const auto& queues() const { return queues_; }

  // What the queue has as committed changes; only through here, so that the sum stays true.
  void count(QueueEntry& queue, std::int64_t deliveries, std::int64_t bytes,
             std::int64_t on_hold = 0);

  // Of all queues.
  [[nodiscard]] std::uint64_t deliveries() const { return deliveries_; }

  [[nodiscard]] std::uint64_t on_hold() const { return on_hold_; }

  // No delivery of the queue, leased or not, is due earlier.
  [[nodiscard]] static WallTime due_bound(const QueueEntry& queue);
  // When the queue next has something unleased; nullopt: it has not.
  [[nodiscard]] static std::optional<WallTime> next_due(const QueueEntry& queue);

  // --- deliveries ---
  // A delivery stands on disk at `position` and is not leased.
  void insert(QueueEntry& queue, const Position& position);
  // Keeps everybody else off a delivery, without counting as a lease. False: it is leased or held.
  bool hold(QueueEntry& queue, const Position& position);
  // Fresh mail: turns a hold into a lease, if the limits allow and the queue has no older backlog.
  bool lease_fresh(const DeliveryKey& delivery, WallTime now);
  // The reader's: a new lease; false: leased or held by another.
  bool lease(QueueEntry& queue, const Position& position);
  [[nodiscard]] Holding* holding(const DeliveryKey& delivery);
  // While its completion is being written its old due time no longer counts for due_bound().
  void leave_bound(const DeliveryKey& delivery);
  void enter_bound(const DeliveryKey& delivery);
  // Ends a lease or hold, and forgets it.
  void release(const DeliveryKey& delivery);
  // Ends it with the delivery still on disk, where it was.
  void put_back(const DeliveryKey& delivery);

  // --- the reader's turn ---
  // The next queue with something due, marked as being scanned; nullptr: none, or no lease is free.
  // Higher bands first, within the bound above; within a band in turns.
  QueueEntry* next_scan(WallTime now);
  // Leases that the queue being scanned may still take.
  [[nodiscard]] std::size_t room(const QueueEntry& queue) const;
  // Everything unleased that the scan saw or was told of stands at or above `cursor`.
  void end_scan(QueueEntry& queue, const Position& cursor, WallTime now);
  // When next_scan() may have something: now (WallTime::min()), later, or not before a change.
  [[nodiscard]] std::optional<WallTime> next_wake() const;

  // --- what is suspended ---
  void suspend(const Suspension& rule);
  void resume(const std::vector<Suspension>& rules);

  [[nodiscard]] const Suspensions& suspensions() const { return suspensions_; }

  // No leases at all while it lasts.
  void pause(bool paused);

  [[nodiscard]] bool paused() const { return paused_; }

  // True once after something happened that next_wake() would tell the reader.
  bool take_news() { return std::exchange(news_, false); }

  [[nodiscard]] std::size_t leases() const { return leases_.back(); }

  // Leases and holds.
  [[nodiscard]] std::size_t held() const { return held_.size(); }

 private:
  void schedule(QueueEntry& queue);
  void leave_wake_order(QueueEntry& queue);
  void make_ready(QueueEntry& queue);
  void block(QueueEntry& queue);
  void resume_blocked();
  void begin_lease(Holding& holding);
  void end_lease(QueueEntry& queue);
  [[nodiscard]] std::size_t limit(std::size_t band) const;
  [[nodiscard]] std::size_t free_leases(std::size_t band) const;
  [[nodiscard]] std::optional<std::size_t> next_band() const;
  void give_turn(std::size_t band);
  void forget(const DeliveryKey& delivery, Holding& holding);

  using Owner = std::unique_ptr<QueueEntry>;

  static std::string_view key_of(std::string_view key) { return key; }

  static std::string_view key_of(const Owner& queue) { return queue->key(); }

  struct KeyHash {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library asks for it

    template <class T>
    std::size_t operator()(const T& queue) const {
      return std::hash<std::string_view>()(key_of(queue));
    }
  };

  struct SameKey {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library asks for it

    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return key_of(a) == key_of(b);
    }
  };

  Limits limits_;
  std::unordered_set<Owner, KeyHash, SameKey> queues_;
  std::vector<QueueEntry*> retiring_;
  std::unordered_map<DeliveryKey, Holding, DeliveryKeyHash> held_;

  WakeOrder wake_order_;
  std::uint64_t next_serial_ = 0;

  // Who has fewest leases is the first to get more, then who waits longest.
  struct Blocked {
    std::size_t leases = 0;
    std::uint64_t turn = 0;
    QueueEntry* queue = nullptr;

    auto operator<=>(const Blocked&) const = default;
  };

  std::array<std::set<Blocked>, kBands> blocked_;
  std::uint64_t next_blocked_turn_ = 0;
  std::array<std::deque<QueueEntry*>, kBands> ready_;
  Suspensions suspensions_;
  std::uint64_t deliveries_ = 0;
  std::uint64_t on_hold_ = 0;
  std::array<std::size_t, kBands> leases_{};  // of each band and those below it
  // Of each band: turns that others have had since its own while something of it was ready.
  std::array<unsigned, kBands> passed_over_{};
  bool paused_ = false;
  bool news_ = false;
};

}  // namespace postrider::queue
