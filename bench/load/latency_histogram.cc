#include "bench/load/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace postrider::bench {

namespace {

// Values below kExact have a bucket each; above, each power of two is cut into kParts.
constexpr std::uint64_t kParts = 64;
constexpr std::uint64_t kExact = 2 * kParts;
constexpr unsigned kExactBits = 7;
constexpr std::uint64_t kLargest = (1ULL << 36U) - 1;  // 19 hours
constexpr std::size_t kBuckets = kExact + (36 - kExactBits) * kParts;

std::size_t bucket_of(std::uint64_t value) {
  if (value < kExact) return value;
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - kExactBits;
  return kExact + (shift - 1) * kParts + ((value >> shift) - kParts);
}

std::uint64_t top_of(std::size_t bucket) {
  if (bucket < kExact) return bucket;
  const std::uint64_t above = bucket - kExact;
  const std::uint64_t shift = above / kParts + 1;
  return ((kParts + above % kParts + 1) << shift) - 1;
}

}  // namespace

LatencyHistogram::LatencyHistogram() : buckets_(kBuckets, 0) {}

void LatencyHistogram::add(Duration latency) {
  const auto raw = std::chrono::duration_cast<std::chrono::microseconds>(latency).count();
  const auto value = std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(raw, 0)), kLargest);
  ++buckets_[bucket_of(value)];
  ++count_;
  sum_ += value;
  max_ = std::max(max_, value);
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t LatencyHistogram::quantile(double q) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(top_of(i), max_);
  }
  return max_;
}

double LatencyHistogram::mean() const {
  return count_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

}  // namespace postrider::bench
