#include "relay/policy/retry_schedule.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace postrider::policy {

Milliseconds retry_interval(const RetryOptions& options, unsigned attempts, Random& random) {
  const double steps = attempts > 1 ? static_cast<double>(attempts - 1) : 0.0;
  const auto first = static_cast<double>(options.first_interval.count());
  const auto most = static_cast<double>(options.interval_max.count());
  // In floating point: growth^steps becomes infinite, never wrong, and the maximum takes it back.
  const double grown = std::min(most, first * std::pow(std::max(1.0, options.growth), steps));
  const double jitter = std::clamp(options.jitter, 0.0, 1.0);
  const double spread = grown * (1.0 + jitter * (2.0 * random.unit() - 1.0));
  // Never zero: a retry that is due at once would be a loop.
  return Milliseconds(std::max<std::int64_t>(1, std::llround(spread)));
}

namespace {

constexpr Milliseconds kSoonest = Seconds(10);

Milliseconds as_asked(const RetryOptions& options, unsigned attempts, Milliseconds by_itself,
                      Seconds asked, Random& random) {
  const Milliseconds wait = std::min(Milliseconds(asked), options.interval_max);
  // Only ever later.
  const double spread = std::clamp(options.jitter, 0.0, 1.0) * random.unit();
  const Milliseconds spread_wait =
      wait + Milliseconds(std::llround(spread * static_cast<double>(wait.count())));
  if (wait > by_itself) return spread_wait;
  return attempts > 1 ? by_itself : std::min(by_itself, std::max(spread_wait, kSoonest));
}

}  // namespace

std::optional<WallTime> next_attempt(const RetryOptions& options, unsigned attempts, WallTime now,
                                     WallTime expires, Random& random,
                                     std::optional<Seconds> asked) {
  if (now >= expires) return std::nullopt;
  Milliseconds wait = retry_interval(options, attempts, random);
  if (asked) wait = as_asked(options, attempts, wait, *asked, random);
  return std::min(expires, now + wait);
}

bool is_delay_notice_due(const RetryOptions& options, WallTime released, WallTime now) {
  return options.delay_notice > Milliseconds(0) && now - released >= options.delay_notice;
}

}  // namespace postrider::policy
