// Seats: a bounded number of places, taken and given back. Thread: any, without locks; outlives its
// seats.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace postrider::policy {

class Seats {
 public:
  // 0: as many as are asked for. `max` outlives the seats.
  explicit Seats(const std::size_t& max) : max_(max) {}

  struct GiveBack {
    void operator()(Seats* seats) const { seats->taken_.fetch_sub(1, std::memory_order_relaxed); }
  };

  // Given back when it is destroyed. Null: none.
  using Seat = std::unique_ptr<Seats, GiveBack>;

  // Null: all are taken.
  [[nodiscard]] Seat take() {
    Seat seat(this);
    if (taken_.fetch_add(1, std::memory_order_relaxed) >= max_ && max_ != 0) return nullptr;
    return seat;
  }

  [[nodiscard]] std::size_t taken() const { return taken_.load(std::memory_order_relaxed); }

  [[nodiscard]] std::size_t max() const { return max_; }

 private:
  const std::size_t& max_;
  std::atomic<std::size_t> taken_{0};
};

}  // namespace postrider::policy
