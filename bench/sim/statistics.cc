#include "bench/sim/statistics.h"

#include <functional>
#include <utility>

#include "bench/json_text.h"

namespace postrider::bench {

namespace {

// Spreads a hash over all bits (the finaliser of SplitMix64).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

}  // namespace

bool FingerprintSet::insert(std::uint64_t fingerprint) {
  if (size_ * 2 >= slots_.size()) grow();
  if (!place(fingerprint == 0 ? 1 : fingerprint)) return false;
  ++size_;
  return true;
}

// Puts the fingerprint into the first free slot from its own on; false if it is met before.
bool FingerprintSet::place(std::uint64_t fingerprint) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = fingerprint & mask;; i = (i + 1) & mask) {
    if (slots_[i] == fingerprint) return false;
    if (slots_[i] != 0) continue;
    slots_[i] = fingerprint;
    return true;
  }
}

void FingerprintSet::clear() {
  slots_.clear();
  size_ = 0;
}

void FingerprintSet::grow() {
  static constexpr std::size_t kFirst = 1024;
  auto old = std::exchange(
      slots_, std::vector<std::uint64_t>(slots_.empty() ? kFirst : slots_.size() * 2, 0));
  for (const std::uint64_t fingerprint : old) {
    if (fingerprint != 0) place(fingerprint);
  }
}

void Statistics::note_delivery(std::string_view sequence, std::string_view recipient) {
  const std::hash<std::string_view> hash;
  const std::uint64_t fingerprint = mix(mix(hash(sequence)) + hash(recipient));
  // The top bits choose the shard: the low ones choose the slot within it.
  auto& shard = seen_[fingerprint >> 60U];
  if (!shard.lock()->insert(fingerprint)) duplicates.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t Statistics::distinct() {
  std::uint64_t total = 0;
  for (auto& shard : seen_) total += shard.lock()->size();
  return total;
}

void Statistics::reset() {
  for (auto* counter : {&messages, &recipients, &bytes, &bare_line_ends, &connections,
                        &handshakes_full, &handshakes_resumed, &handshakes_failed, &replies_4xx,
                        &replies_5xx, &faults, &duplicates}) {
    *counter = 0;
  }
  for (auto& shard : seen_) shard.lock()->clear();
}

std::string Statistics::json(std::uint64_t dns_udp, std::uint64_t dns_tcp) {
  JsonObject object;
  object.number("messages", messages.load())
      .number("recipients", recipients.load())
      .number("distinct", distinct())
      .number("duplicates", duplicates.load())
      .number("bytes", bytes.load())
      .number("bare_line_ends", bare_line_ends.load())
      .number("connections", connections.load())
      .number("open_connections", open_connections.load())
      .number("handshakes_full", handshakes_full.load())
      .number("handshakes_resumed", handshakes_resumed.load())
      .number("handshakes_failed", handshakes_failed.load())
      .number("replies_4xx", replies_4xx.load())
      .number("replies_5xx", replies_5xx.load())
      .number("faults", faults.load())
      .number("dns_udp", dns_udp)
      .number("dns_tcp", dns_tcp);
  return object.str();
}

}  // namespace postrider::bench
