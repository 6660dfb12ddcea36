// LatencyHistogram: latencies from a microsecond to hours in buckets at most 1.6 % wide.
// Thread: one owner.
#pragma once

#include <cstdint>
#include <vector>

#include "relay/base/clock.h"

namespace postrider::bench {

class LatencyHistogram {
 public:
  LatencyHistogram();

  // What is negative counts as zero.
  void add(Duration latency);
  void merge(const LatencyHistogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }

  // The latency in microseconds that the share `q` (0 to 1) of all does not exceed, to a bucket's
  // width and never above max(); 0 when there is none.
  [[nodiscard]] std::uint64_t quantile(double q) const;

  [[nodiscard]] std::uint64_t max() const { return max_; }

  [[nodiscard]] double mean() const;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace postrider::bench
