// Statistics: what the simulated hosts have seen. Thread: any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/guarded.h"

namespace postrider::bench {

// A set of 64-bit fingerprints that only grows; a few tens of nanoseconds an insert.
class FingerprintSet {
 public:
  // False: it was there already.
  bool insert(std::uint64_t fingerprint);
  void clear();

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  bool place(std::uint64_t fingerprint);
  void grow();

  std::vector<std::uint64_t> slots_;  // 0: empty; a power of two, at most half full
  std::size_t size_ = 0;
};

class Statistics {
 public:
  std::atomic<std::uint64_t> messages{0};
  std::atomic<std::uint64_t> recipients{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> bare_line_ends{0};  // messages that have any
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> open_connections{0};
  std::atomic<std::uint64_t> handshakes_full{0};
  std::atomic<std::uint64_t> handshakes_resumed{0};
  std::atomic<std::uint64_t> handshakes_failed{0};
  std::atomic<std::uint64_t> replies_4xx{0};
  std::atomic<std::uint64_t> replies_5xx{0};
  std::atomic<std::uint64_t> faults{0};  // steps of rules that were carried out
  std::atomic<std::uint64_t> duplicates{0};

  // One delivery of the message with the header `X-Sequence: sequence` to `recipient`; a second one
  // counts as a duplicate.
  void note_delivery(std::string_view sequence, std::string_view recipient);
  // Deliveries noted, each counted once.
  [[nodiscard]] std::uint64_t distinct();
  // All to zero, except the open connections.
  void reset();

  // The members of a JSON object, with the DNS queries beside.
  [[nodiscard]] std::string json(std::uint64_t dns_udp, std::uint64_t dns_tcp);

 private:
  static constexpr std::size_t kShards = 16;
  std::array<Guarded<FingerprintSet>, kShards> seen_;
};

}  // namespace postrider::bench
