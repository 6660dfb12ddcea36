// Seeds of the runs: new ones each time, printed with a failure; POSTRIDER_SEED=<seed> runs just
// that one, POSTRIDER_RUNS=<number> more, and POSTRIDER_LONG makes each longer. Thread: one.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

namespace postrider::sim {

inline std::vector<std::uint64_t> seeds(int count) {
  for (const char* name : {"POSTRIDER_SEED", "SEED"}) {
    if (const char* wanted = std::getenv(name)) return {std::strtoull(wanted, nullptr, 10)};
  }
  if (const char* runs = std::getenv("POSTRIDER_RUNS")) count = std::atoi(runs);
  std::vector<std::uint64_t> chosen;
  std::random_device device;
  for (int i = 0; i < count; ++i) chosen.push_back(device());
  return chosen;
}

inline bool is_long() {
  return std::getenv("POSTRIDER_LONG") != nullptr;
}

}  // namespace postrider::sim
