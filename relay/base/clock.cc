#include "relay/base/clock.h"

#include <array>
#include <fmt/format.h>

namespace postrider {

SystemClock::SystemClock()
    : started_(std::chrono::steady_clock::now()),
      wall_at_start_(std::chrono::floor<Milliseconds>(std::chrono::system_clock::now())) {}

TimePoint SystemClock::now() const {
  return std::chrono::steady_clock::now();
}

WallTime SystemClock::wall() const {
  return wall_at_start_ + std::chrono::duration_cast<Milliseconds>(now() - started_);
}

namespace {

// A wall time taken apart; the calendar is the proleptic Gregorian one, so no locale and no zone.
struct Civil {
  explicit Civil(WallTime time)
      : days(std::chrono::floor<std::chrono::days>(time)), date(days), clock(time - days) {}

  [[nodiscard]] int year() const { return static_cast<int>(date.year()); }

  [[nodiscard]] unsigned month() const { return static_cast<unsigned>(date.month()); }

  [[nodiscard]] unsigned day() const { return static_cast<unsigned>(date.day()); }

  [[nodiscard]] unsigned weekday() const { return std::chrono::weekday(days).c_encoding(); }

  std::chrono::sys_days days;
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<Milliseconds> clock;
};

}  // namespace

std::string to_iso8601(WallTime time) {
  const Civil civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", civil.year(), civil.month(),
                     civil.day(), civil.clock.hours().count(), civil.clock.minutes().count(),
                     civil.clock.seconds().count(), civil.clock.subseconds().count());
}

std::string to_rfc5322(WallTime time) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Civil civil(time);
  return fmt::format("{}, {} {} {:04} {:02}:{:02}:{:02} +0000", kDays[civil.weekday()], civil.day(),
                     kMonths[civil.month() - 1], civil.year(), civil.clock.hours().count(),
                     civil.clock.minutes().count(), civil.clock.seconds().count());
}

}  // namespace postrider
