// TextShare: what one message holds of the memory that all sessions may use for texts
// (Options::bodies_in_flight_max); given back at its end. Thread: one owner at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace postrider::submission {

class TextShare {
 public:
  explicit TextShare(std::atomic<std::size_t>& total) : total_(&total) {}

  ~TextShare() { release(); }

  TextShare(const TextShare&) = delete;
  TextShare& operator=(const TextShare&) = delete;

  TextShare(TextShare&& other) noexcept
      : total_(other.total_), held_(std::exchange(other.held_, 0)) {}

  TextShare& operator=(TextShare&& other) noexcept {
    if (this != &other) {
      release();
      total_ = other.total_;
      held_ = std::exchange(other.held_, 0);
    }
    return *this;
  }

  // What all hold then.
  std::size_t add(std::size_t octets) {
    held_ += octets;
    return total_->fetch_add(octets, std::memory_order_relaxed) + octets;
  }

  [[nodiscard]] std::size_t octets() const { return held_; }

  void release() { total_->fetch_sub(std::exchange(held_, 0), std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t>* total_;
  std::size_t held_ = 0;
};

}  // namespace postrider::submission
