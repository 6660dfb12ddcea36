// Random operations against a naive model, with failing calls, kills and power loss. A failing run
// prints its seed: POSTRIDER_SEED=<seed> runs just that one; POSTRIDER_RUNS=<number> runs more.
#include <cstdlib>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

#include "relay/base/log.h"
#include "tests/unit/queue/model_run.h"

namespace postrider::queue {
namespace {

constexpr int kRuns = 25;

std::vector<std::uint64_t> seeds(int count) {
  if (const char* runs = std::getenv("POSTRIDER_RUNS")) count = std::atoi(runs);
  if (const char* wanted = std::getenv("POSTRIDER_SEED"))
    return {std::strtoull(wanted, nullptr, 10)};
  std::vector<std::uint64_t> chosen;
  std::random_device device;
  for (int i = 0; i < count; ++i) chosen.push_back(device());
  return chosen;
}

void run_all(int count, const Options& options) {
  log::set_level(log::Level::kError);
  log::set_sink([](std::string_view) {});
  for (const std::uint64_t seed : seeds(count)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    ModelRun(seed, options).run(400);
    if (::testing::Test::HasFailure()) break;
  }
  log::set_sink(nullptr);
  log::set_level(log::Level::kInfo);
}

TEST(Model, AgreesWithRoomForAll) {
  run_all(kRuns, Options());
}

TEST(Model, AgreesWhenLeasesAreShort) {
  Options options;
  options.leases_max = 6;
  options.leases_per_queue_max = 3;
  options.lease_bytes_max = 2000;
  options.group_max = 4;
  options.recipients_per_delivery = 100;
  run_all(kRuns, options);
}

}  // namespace
}  // namespace postrider::queue
