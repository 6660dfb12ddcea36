// Greylist: remembers when a pair of sender and recipient first came. Thread: any.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "relay/base/clock.h"
#include "relay/base/guarded.h"

namespace postrider::bench {

class Greylist {
 public:
  // Pairs remembered; when there are more, new ones pass at once.
  static constexpr std::size_t kMaxPairs = 1'000'000;

  // Whether the pair first came at least `wait` ago. A pair that is new comes now for the first
  // time.
  bool passes(const std::string& sender, const std::string& recipient, Milliseconds wait,
              TimePoint now) {
    auto seen = seen_.lock();
    const std::string key = sender + '\n' + recipient;
    const auto found = seen->find(key);
    if (found != seen->end()) return now - found->second >= wait;
    if (seen->size() >= kMaxPairs) return true;
    seen->emplace(key, now);
    return false;
  }

  void clear() { seen_.lock()->clear(); }

 private:
  Guarded<std::unordered_map<std::string, TimePoint>> seen_;
};

}  // namespace postrider::bench
