#include "relay/base/clock.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "relay/base/ascii.h"

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

// ".25" off the front of `text`, as milliseconds, rounded up; none is 0. nullopt: a dot without
// digits.
std::optional<Milliseconds> take_fraction(std::string_view& text) {
  if (text.front() != '.') return Milliseconds(0);
  text.remove_prefix(1);
  const auto* const end = std::find_if_not(text.begin(), text.end(), ascii::is_digit);
  const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  if (digits.empty()) return std::nullopt;
  text.remove_prefix(digits.size());
  Milliseconds::rep value = 0;
  for (std::size_t at = 0; at < 3; ++at) {
    value = value * 10 + (at < digits.size() ? digits[at] - '0' : 0);
  }
  const bool more = digits.find_first_not_of('0', std::min<std::size_t>(3, digits.size())) !=
                    std::string_view::npos;
  return Milliseconds(value + (more ? 1 : 0));
}

}  // namespace

std::string to_iso8601(WallTime time) {
  const Civil civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", civil.year(), civil.month(),
                     civil.day(), civil.clock.hours().count(), civil.clock.minutes().count(),
                     civil.clock.seconds().count(), civil.clock.subseconds().count());
}

std::string to_iso8601_seconds(WallTime time) {
  const Civil civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", civil.year(), civil.month(),
                     civil.day(), civil.clock.hours().count(), civil.clock.minutes().count(),
                     civil.clock.seconds().count());
}

std::optional<WallTime> parse_utc(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-ddtdd:dd:dd";
  if (text.size() <= kForm.size()) return std::nullopt;
  for (std::size_t at = 0; at < kForm.size(); ++at) {
    const char c = text[at];
    if (kForm[at] == 'd' ? !ascii::is_digit(c) : ascii::to_lower(c) != kForm[at]) {
      return std::nullopt;
    }
  }
  const auto number = [text](std::size_t at, std::size_t size) {
    return static_cast<unsigned>(*ascii::parse_u64(text.substr(at, size)));
  };
  std::string_view rest = text.substr(kForm.size());
  const std::optional<Milliseconds> fraction = take_fraction(rest);
  if (!fraction) return std::nullopt;
  if (!ascii::iequals(rest, "Z") && rest != "+00:00" && rest != "-00:00") return std::nullopt;

  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(number(0, 4))),
                                         std::chrono::month(number(5, 2)),
                                         std::chrono::day(number(8, 2)));
  const unsigned hour = number(11, 2);
  const unsigned minute = number(14, 2);
  const unsigned second = number(17, 2);
  const bool leap = hour == 23 && minute == 59 && second == 60;
  if (!date.ok() || hour > 23 || minute > 59 || (second > 59 && !leap)) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + Seconds(second) + *fraction;
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
