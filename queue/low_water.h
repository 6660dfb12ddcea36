// LowWater: no message on disk has a lower id than this. A walk over all messages starts here, and
// so does not walk over what was deleted below. Thread: none of its own.
#pragma once

#include <algorithm>

#include "queue/id.h"

namespace postrider::queue {

class LowWater {
 public:
  explicit LowWater(MessageId mark) : mark_(mark) {}

  [[nodiscard]] MessageId mark() const { return mark_; }

  // Before a message with this id is written.
  void lower(const MessageId& id) {
    mark_ = std::min(mark_, id);
    lowest_written_ = std::min(lowest_written_, id);
  }

  // A walk from mark() begins. False: another is under way, and this one must not raise the mark.
  bool begin_walk() {
    if (walking_) return false;
    walking_ = true;
    lowest_written_ = highest();
    return true;
  }

  // The walk met `first` before any other message; what was written meanwhile it may have missed.
  void end_walk(const MessageId& first) {
    mark_ = std::max(mark_, std::min(first, lowest_written_));
    walking_ = false;
  }

  // The walk was given up.
  void abandon_walk() { walking_ = false; }

  static constexpr MessageId highest() { return {~std::uint64_t{0}, ~std::uint64_t{0}}; }

 private:
  MessageId mark_;
  MessageId lowest_written_ = highest();  // since the walk began
  bool walking_ = false;
};

}  // namespace postrider::queue
