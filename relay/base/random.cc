#include "relay/base/random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sys/random.h>

#include "relay/base/check.h"

namespace postrider {

std::uint64_t Random::u64() {
  std::array<std::byte, sizeof(std::uint64_t)> bytes{};
  fill(bytes);
  return std::bit_cast<std::uint64_t>(bytes);
}

std::uint64_t Random::below(std::uint64_t bound) {
  PR_CHECK(bound > 0);
  // 2^64 mod bound: the values under it would make small results likelier, so they are drawn again.
  const std::uint64_t uneven = (0 - bound) % bound;
  for (;;) {
    const std::uint64_t value = u64();
    if (value >= uneven) return value % bound;
  }
}

double Random::unit() {
  // 53 bits: what a double holds exactly.
  return static_cast<double>(u64() >> 11) * 0x1.0p-53;
}

std::string Random::token(std::size_t length) {
  static constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  // The largest multiple of 36 in a byte; what is above would be uneven.
  constexpr unsigned kEvenBytes = 256 / kAlphabet.size() * kAlphabet.size();
  std::string out;
  out.reserve(length);
  std::array<std::byte, 32> bytes{};
  while (out.size() < length) {
    fill(bytes);
    for (const std::byte byte : bytes) {
      const auto value = std::to_integer<unsigned>(byte);
      if (value < kEvenBytes && out.size() < length) out += kAlphabet[value % kAlphabet.size()];
    }
  }
  return out;
}

namespace {

// Bytes of the kernel's generator not handed out yet. A byte that was handed out is wiped. A child
// made by fork(2) would repeat its parent's bytes; the relay never forks once it runs.
class Reserve {
 public:
  void take(std::span<std::byte> out) {
    while (!out.empty()) {
      if (left_ == 0) refill();
      const std::size_t part = std::min(left_, out.size());
      std::byte* const from = bytes_.data() + (bytes_.size() - left_);
      std::copy_n(from, part, out.data());
      std::fill_n(from, part, std::byte{0});
      left_ -= part;
      out = out.subspan(part);
    }
  }

 private:
  void refill() {
    std::size_t have = 0;
    while (have < bytes_.size()) {
      const ssize_t got = ::getrandom(bytes_.data() + have, bytes_.size() - have, 0);
      // Only an interrupting signal makes it fail with valid arguments (getrandom(2)).
      PR_CHECK(got >= 0 || errno == EINTR, std::strerror(errno));
      if (got > 0) have += static_cast<std::size_t>(got);
    }
    left_ = bytes_.size();
  }

  std::array<std::byte, 512> bytes_{};
  std::size_t left_ = 0;
};

// SplitMix64: one addition and a mix a word, full period, any seed is a good one.
std::uint64_t split_mix(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15U;
  std::uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
  return mixed ^ (mixed >> 31);
}

}  // namespace

void SystemRandom::fill(std::span<std::byte> bytes) {
  thread_local Reserve reserve;
  reserve.take(bytes);
}

void SeededRandom::fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const std::uint64_t word = split_mix(state_);
    const std::size_t part = std::min(bytes.size(), sizeof word);
    std::memcpy(bytes.data(), &word, part);
    bytes = bytes.subspan(part);
  }
}

}  // namespace postrider
