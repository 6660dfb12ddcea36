// The injected source of chance. Thread: any.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace postrider {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::byte> bytes) = 0;

  std::uint64_t u64();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit();
  // `length` characters of [0-9a-z], for boundaries, tokens and generated names.
  std::string token(std::size_t length);
};

// getrandom(2), buffered per thread; what security rests on (query ids, boundaries).
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> bytes) override;
};

// A seeded generator, for tests and jitter: the same seed gives the same bytes. Thread: one caller.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  void fill(std::span<std::byte> bytes) override;

 private:
  std::uint64_t state_;
};

}  // namespace postrider
