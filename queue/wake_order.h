// WakeOrder: the queues that wait, the one that wakes first in front; of one time the older first,
// so that the same history gives the same order. A heap in one array: with many queues a tree would
// take more memory than the queues. Thread: none of its own; DueIndex holds it, under its lock.
#pragma once

#include <cstddef>
#include <vector>

#include "queue/queue_entry.h"

namespace postrider::queue {

class WakeOrder {
 public:
  [[nodiscard]] bool empty() const { return slots_.empty(); }

  // Neither of an empty order.
  [[nodiscard]] QueueEntry& first() const { return *slots_.front().queue; }

  [[nodiscard]] WallTime first_at() const { return slots_.front().at; }

  // When a queue that is in it wakes.
  [[nodiscard]] WallTime at(const QueueEntry& queue) const { return slots_[queue.wake_slot].at; }

  // The queue must not be in it. Whether it is the first now.
  bool insert(QueueEntry& queue, WallTime at);
  // The queue must be in it.
  void erase(const QueueEntry& queue);

 private:
  struct Slot {
    WallTime at;
    QueueEntry* queue = nullptr;

    bool operator<(const Slot& other) const {
      return at != other.at ? at < other.at : queue->serial < other.queue->serial;
    }
  };

  void put(std::size_t place, const Slot& slot);
  void rise(std::size_t place, const Slot& slot);
  void sink(std::size_t place, const Slot& slot);

  std::vector<Slot> slots_;  // none wakes before that at half its place
};

}  // namespace postrider::queue
