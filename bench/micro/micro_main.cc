// micro_bench: how long each hot path takes, by Google Benchmark (its options: --help).
#include <benchmark/benchmark.h>
#include <cstdint>
#include <string>

#include "bench/micro/hot_paths.h"

namespace postrider::bench {

namespace {

// The argument is the path's number; its name is the label.
void hot_path(benchmark::State& state) {
  const auto& entry = hot_paths()[static_cast<std::size_t>(state.range(0))];
  state.SetLabel(std::string(entry.name));
  const HotPath path = entry.make();
  while (state.KeepRunning()) path();
}

BENCHMARK(hot_path)->DenseRange(0, static_cast<std::int64_t>(hot_paths().size()) - 1);

}  // namespace

}  // namespace postrider::bench

BENCHMARK_MAIN();
