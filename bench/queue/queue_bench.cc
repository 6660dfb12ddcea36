// queue_bench: what the queue costs by itself, through queue.h over RocksDB, with Google Benchmark:
// submissions by size, sessions that wait and length of a sync; and how fast due mail is handed
// out. Everything is delivered at once, so each message is written and erased.
//
//   queue_bench [--benchmark_filter=submit/size:4096]      The queue is made in $TMPDIR, or /tmp.
#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <thread>

#include "bench/queue/rig.h"
#include "bench/queue/sync_probe.h"
#include "relay/base/log.h"

namespace postrider::bench {
namespace {

constexpr std::chrono::milliseconds kWarmUp{200};
constexpr std::chrono::milliseconds kMeasured{1000};
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

// A directory that goes with it.
class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "queue_bench.XXXXXX").string();
    name_ = ::mkdtemp(name.data());
  }

  ~Directory() { std::filesystem::remove_all(name_); }

  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  [[nodiscard]] std::string queue() const { return name_ + "/queue"; }

 private:
  std::string name_;
};

// Arguments: octets of a message, sessions, milliseconds added to each sync.
void submit(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto sessions = static_cast<std::size_t>(state.range(1));
  const Directory directory;
  Rig rig(directory.queue());
  rig.queue->start(rig.finisher);
  const auto texts = random_texts(size);
  Sessions clients(*rig.queue, [&](std::uint64_t number) {
    return rig.message("d" + std::to_string(number % 100) + ".example",
                       texts[number % texts.size()]);
  });
  set_sync_delay(std::chrono::milliseconds(state.range(2)));
  clients.run(sessions, kNoLimit, kWarmUp);
  double count = 0;
  const double cpu = cpu_seconds();
  const std::uint64_t before = syncs();
  const std::uint64_t written = octets_written();
  while (state.KeepRunning()) {
    count += static_cast<double>(clients.run(sessions, kNoLimit, kMeasured));
  }
  const double cpu_used = cpu_seconds() - cpu;
  const double syncs_made = static_cast<double>(syncs() - before);
  const auto octets = static_cast<double>(octets_written() - written);
  set_sync_delay(std::chrono::milliseconds(0));
  if (clients.refused() > 0) return state.SkipWithError("a submission was refused");
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
  state.counters["cpu_us"] = cpu_used * 1e6 / count;
  state.counters["syncs_per_1000"] = syncs_made * 1000 / count;
  state.counters["written"] = octets / (count * static_cast<double>(size));
}

// What waits at one time must not be more than queue.commit_waiting_bytes_max.
void combinations(benchmark::internal::Benchmark* benchmark) {
  constexpr std::int64_t kWaitingMax = 128 << 20;
  for (const std::int64_t size : {1 << 10, 4 << 10, 100 << 10, 1 << 20}) {
    for (const std::int64_t sessions : {1, 20, 100, 500}) {
      if (size * sessions > kWaitingMax) continue;
      for (const std::int64_t sync : {0, 1, 5}) benchmark->Args({size, sessions, sync});
    }
  }
}

BENCHMARK(submit)
    ->ArgNames({"size", "sessions", "sync_ms"})
    ->Apply(combinations)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// Argument: deferred messages that wait besides, in 1000 queues. How fast 20,000 others in 100
// queues, which are due all at once, are handed out and ended.
void pop_due(benchmark::State& state) {
  constexpr std::uint64_t kDue = 20'000;
  const Directory directory;
  Rig rig(directory.queue());
  rig.queue->start(rig.finisher);
  const auto texts = random_texts(256);
  const WallTime later = rig.clock.wall() + std::chrono::hours(2);
  Sessions waiting(*rig.queue, [&](std::uint64_t number) {
    auto submission =
        rig.message("w" + std::to_string(number % 1000) + ".example", texts[number % texts.size()]);
    submission.not_before = later;
    return submission;
  });
  waiting.run(2000, static_cast<std::uint64_t>(state.range(0)), std::chrono::hours(1));
  while (state.KeepRunning()) {
    state.PauseTiming();
    rig.queue->suspend({}, [](const Result<std::uint64_t>&) {});
    Sessions due(*rig.queue, [&](std::uint64_t number) {
      return rig.message("d" + std::to_string(number % 100) + ".example",
                         texts[number % texts.size()]);
    });
    due.run(2000, kDue, std::chrono::hours(1));
    const std::uint64_t before = rig.finisher.taken;
    state.ResumeTiming();
    rig.queue->resume({}, [](const Result<std::uint64_t>&) {});
    while (rig.finisher.taken < before + kDue) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kDue * state.iterations()));
}

BENCHMARK(pop_due)
    ->ArgName("deferred")
    ->Arg(0)
    ->Arg(1'000'000)
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace postrider::bench

int main(int argc, char** argv) {
  postrider::log::set_level(postrider::log::Level::kError);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
