// A whole load: workers, threads, and the result as numbers and as text.
#pragma once

#include <string>

#include "bench/load/load_options.h"
#include "bench/load/load_tally.h"

namespace postrider::bench {

struct LoadResult {
  LoadTally tally;
  double seconds = 0;   // from the first message begun to the last final reply
  double cpu_user = 0;  // of this process, in seconds
  double cpu_system = 0;
  bool timed_out = false;

  [[nodiscard]] double per_second() const;
};

// Runs the load to its end. Fails when it cannot begin: descriptors, the ids file, no size or
// domain to choose from.
Result<LoadResult> run_load(const LoadOptions& options);

// A table for people; one JSON object for programs.
std::string load_table(const LoadOptions& options, const LoadResult& result);
std::string load_json(const LoadOptions& options, const LoadResult& result);

}  // namespace postrider::bench
