// TextMemory: the octets of message texts and of recipients that sessions hold, all together and
// those of one client, both bounded, so that one client cannot take the memory of all
// (Options::bodies_in_flight_max). TextShare: what one message holds of it; given back at its end.
//
// Thread: TextMemory any, and without a lock while texts grow; a share one owner at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <utility>

#include "relay/base/guarded.h"
#include "relay/base/ip.h"

namespace postrider::submission {

// Which bound does not hold any more.
enum class TextLimit { kNone, kAll, kClient };

class TextShare;

class TextMemory {
 public:
  // Octets that all may hold, and one client (policy::client_network).
  TextMemory(std::size_t max, std::size_t client_max) : max_(max), client_max_(client_max) {}

  // For a message of this client; it holds nothing yet. The memory outlives its shares.
  [[nodiscard]] TextShare share(const IpAddress& client);

  [[nodiscard]] std::size_t octets() const { return total_.load(std::memory_order_relaxed); }

  // Clients with a share.
  [[nodiscard]] std::size_t clients() { return by_client_.lock()->size(); }

 private:
  friend class TextShare;

  using Octets = std::atomic<std::size_t>;

  void forget(const IpAddress& client);

  const std::size_t max_;
  const std::size_t client_max_;
  Octets total_{0};
  Guarded<std::map<IpAddress, std::weak_ptr<Octets>>> by_client_;
};

class TextShare {
 public:
  // Of no memory: add() is not for it.
  TextShare() = default;

  ~TextShare() { release(); }

  TextShare(const TextShare&) = delete;
  TextShare& operator=(const TextShare&) = delete;

  TextShare(TextShare&& other) noexcept
      : memory_(other.memory_),
        of_client_(std::move(other.of_client_)),
        held_(std::exchange(other.held_, 0)) {}

  TextShare& operator=(TextShare&& other) noexcept {
    if (this != &other) {
      release();
      memory_ = other.memory_;
      of_client_ = std::move(other.of_client_);
      held_ = std::exchange(other.held_, 0);
    }
    return *this;
  }

  // Of no memory until one is assigned.
  [[nodiscard]] bool is_of_memory() const { return memory_ != nullptr; }

  // One more of the same client; it holds nothing yet. No lock is taken for it.
  [[nodiscard]] TextShare another() const { return {*memory_, of_client_}; }

  // They are held then, whatever comes back.
  TextLimit add(std::size_t octets);

  [[nodiscard]] std::size_t octets() const { return held_; }

  // So many, of those that are held, are not any more.
  void give_back(std::size_t octets);

  void release() { give_back(held_); }

 private:
  friend class TextMemory;

  TextShare(TextMemory& memory, std::shared_ptr<TextMemory::Octets> of_client)
      : memory_(&memory), of_client_(std::move(of_client)) {}

  TextMemory* memory_ = nullptr;
  std::shared_ptr<TextMemory::Octets> of_client_;
  std::size_t held_ = 0;
};

}  // namespace postrider::submission
