// Quantities as a command line or a rule writes them: sizes, durations, counts, shares.
// Thread: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "relay/base/clock.h"
#include "relay/base/result.h"

namespace postrider::bench {

// "4096", "4k", "1m", "2g": bytes, with units of 1024.
Result<std::uint64_t> parse_size(std::string_view text);
// "100ms", "5s", "2m", "1h"; a number without a unit is an error.
Result<Milliseconds> parse_duration(std::string_view text);
Result<std::uint64_t> parse_count(std::string_view text);
// A decimal number from 0 to 1: "0.2", "1".
Result<double> parse_share(std::string_view text);

}  // namespace postrider::bench
