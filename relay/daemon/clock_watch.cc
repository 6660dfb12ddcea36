#include "relay/daemon/clock_watch.h"

#include <chrono>
#include <utility>

#include "relay/base/log.h"

namespace postrider::daemon {

namespace {

// When this was written: no clock that is right tells an earlier time.
constexpr WallTime kEarliest{
    std::chrono::sys_days(std::chrono::year(2026) / std::chrono::January / 1)};

}  // namespace

ClockWatch::ClockWatch(const Clock& clock, metrics::Registry& metrics,
                       std::function<WallTime()> system)
    : clock_(clock),
      system_(std::move(system)),
      ahead_(metrics.gauge(metrics::Metric::kClockAhead)) {}

void ClockWatch::look() {
  if (!std::exchange(began_, true) && clock_.wall() < kEarliest) {
    log::error("server",
               "the system clock is wrong: mail that is taken now expires when it is set right; "
               "set it, and restart",
               {{"clock", to_iso8601(clock_.wall())}});
  }
  const WallTime system = system_();
  const Milliseconds ahead = system - clock_.wall();
  ahead_.set(std::chrono::duration<double>(ahead).count());
  if (std::chrono::abs(ahead - seen_) < kStep) return;
  seen_ = ahead;
  log::warning(
      "server",
      "the system clock was set; the relay goes on with its own time until it is restarted",
      {{"clock", to_iso8601(system)}, {"own", to_iso8601(clock_.wall())}});
}

}  // namespace postrider::daemon
