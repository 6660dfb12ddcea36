// SuccessMemory: the digests of checks that succeeded a short while ago. Private to relay/auth.
// Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <set>

#include "relay/auth/keyed_digest.h"
#include "relay/base/clock.h"

namespace postrider::auth {

class SuccessMemory {
 public:
  // Each is held for `lifetime`; at most `entries_max`, the oldest goes first.
  SuccessMemory(Duration lifetime, std::size_t entries_max)
      : lifetime_(lifetime), entries_max_(entries_max) {}

  [[nodiscard]] bool holds(const Digest& check, TimePoint now);
  // A check that is held already keeps its time: it is not renewed by being used.
  void add(const Digest& check, TimePoint now);

  [[nodiscard]] std::size_t size() const { return held_.size(); }

 private:
  struct Entry {
    Digest check;
    TimePoint until;
  };

  void forget_expired(TimePoint now);
  void forget_oldest();

  Duration lifetime_;
  std::size_t entries_max_;
  std::set<Digest> held_;
  std::deque<Entry> by_age_;  // the same, oldest first
};

}  // namespace postrider::auth
