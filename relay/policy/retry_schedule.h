// Retry schedule: when a deferred delivery is tried again, and when it is given up. Pure.
#pragma once

#include <optional>

#include "relay/base/clock.h"
#include "relay/base/random.h"

namespace postrider::policy {

struct RetryOptions {
  Milliseconds first_interval = std::chrono::minutes(5);
  // Each interval is the one before times this, up to the maximum.
  double growth = 2.0;
  Milliseconds interval_max = std::chrono::hours(4);
  // Spread: each interval is multiplied by 1 +- jitter, so that what failed together does not
  // return together.
  double jitter = 0.1;
  // From acceptance; then the recipients that are left expire and are reported.
  Milliseconds lifetime = std::chrono::hours(24 * 5);
  // From acceptance; the sender is told at the next failure behind it that the message still waits.
  // 0: never.
  Milliseconds delay_notice = std::chrono::hours(4);
};

// The interval before the attempt that follows `attempts` finished ones (>= 1), jitter included.
Milliseconds retry_interval(const RetryOptions& options, unsigned attempts, Random& random);

// When to try again; never later than `expires`, so that one last attempt is made there. nullopt:
// `now` is at or past `expires`, the attempt just made was the last.
//
// Where the host has asked for a wait, it is not tried before that, up to the longest interval; and
// sooner than by itself behind the first attempt alone, though not at once: greylisting ends then,
// and a host that always asks for a moment gains nothing.
std::optional<WallTime> next_attempt(const RetryOptions& options, unsigned attempts, WallTime now,
                                     WallTime expires, Random& random,
                                     std::optional<Seconds> asked = std::nullopt);

// Whether a delivery that has to wait on, and might have left at `released`, has waited long enough
// for its sender to be told.
bool is_delay_notice_due(const RetryOptions& options, WallTime released, WallTime now);

}  // namespace postrider::policy
