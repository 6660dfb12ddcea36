// Time as the project uses it, and its injected source.
//
// TimePoint is monotonic: deadlines, timers, sessions. WallTime is milliseconds since 1970 UTC:
// what is written to disk or shown. SystemClock's wall time is the wall time at its creation plus
// monotonic progress, so that a stepped system clock never moves a due time within a process.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace postrider {

using Monotonic = std::chrono::steady_clock;
using TimePoint = Monotonic::time_point;
using Duration = Monotonic::duration;
using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

// Thread: any.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  SystemClock();
  [[nodiscard]] TimePoint now() const override;
  [[nodiscard]] WallTime wall() const override;

 private:
  TimePoint started_;
  WallTime wall_at_start_;
};

// "2026-11-21T22:15:03.123Z".
std::string to_iso8601(WallTime time);
// The same without milliseconds, which are cut off: "2026-11-21T22:15:03Z".
std::string to_iso8601_seconds(WallTime time);
// A date-time of RFC 3339 section 5.6 that is given in UTC ("Z", or an offset of zero), of a year
// up to 9999. A fraction below the millisecond is rounded up; a leap second is the one after it.
std::optional<WallTime> parse_utc(std::string_view text);
// RFC 5322 section 3.3 date-time in UTC: "Sat, 21 Nov 2026 22:15:03 +0000".
std::string to_rfc5322(WallTime time);

}  // namespace postrider
