// WeightedChoice: draws values with given weights. Thread: immutable once shared.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace postrider::bench {

// A fast source of chance (SplitMix64), not for secrets. Thread: one owner.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}

  std::uint64_t roll() {
    std::uint64_t x = state_ += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31U);
  }

 private:
  std::uint64_t state_;
};

template <class T>
class WeightedChoice {
 public:
  // The values share `weight` evenly. No values, or a weight of zero: nothing is added.
  void add(std::vector<T> values, std::uint64_t weight) {
    if (values.empty() || weight == 0) return;
    total_ += weight;
    groups_.push_back({total_, std::move(values)});
  }

  [[nodiscard]] bool empty() const { return groups_.empty(); }

  // Needs a value.
  [[nodiscard]] const T& draw(Dice& dice) const {
    const std::uint64_t at = dice.roll() % total_;
    const auto group = std::upper_bound(
        groups_.begin(), groups_.end(), at,
        [](std::uint64_t place, const Group& candidate) { return place < candidate.end; });
    return group->values[dice.roll() % group->values.size()];
  }

  template <class Visit>
  void each(Visit visit) const {
    for (const Group& group : groups_) {
      for (const T& value : group.values) visit(value);
    }
  }

 private:
  struct Group {
    std::uint64_t end;  // of its part of the total weight
    std::vector<T> values;
  };

  std::uint64_t total_ = 0;
  std::vector<Group> groups_;
};

}  // namespace postrider::bench
