#include "relay/policy/rate_limit.h"

#include <algorithm>
#include <array>

#include "relay/base/ascii.h"

namespace postrider::policy {

namespace {

struct TimeUnit {
  char name;
  Seconds length;
};

constexpr std::array kUnits = {TimeUnit{'d', Seconds(86'400)}, TimeUnit{'h', Seconds(3600)},
                               TimeUnit{'m', Seconds(60)}, TimeUnit{'s', Seconds(1)}};

// "s", "10s"; 0 where it is neither.
Seconds parse_period(std::string_view text) {
  if (text.empty()) return Seconds(0);
  const auto unit = std::find_if(kUnits.begin(), kUnits.end(),
                                 [&](const TimeUnit& one) { return one.name == text.back(); });
  if (unit == kUnits.end()) return Seconds(0);
  text.remove_suffix(1);
  const auto times = text.empty() ? std::optional<std::uint64_t>(1) : ascii::parse_u64(text);
  const auto most = static_cast<std::uint64_t>(Rate::kPeriodMax / unit->length);
  if (!times || *times > most) return Seconds(0);
  return unit->length * *times;
}

}  // namespace

Result<Rate> Rate::parse(std::string_view text) {
  if (text == "none") return Rate();
  const std::size_t slash = text.find('/');
  const auto count = ascii::parse_u64(text.substr(0, slash));
  const Seconds period =
      slash == std::string_view::npos ? Seconds(0) : parse_period(text.substr(slash + 1));
  if (!count || *count == 0 || *count > kCountMax || period == Seconds(0)) {
    return failure("'" + ascii::printable(text, 60) +
                   "' is not a rate like \"100/s\", \"10/m\", \"1/30s\" or \"none\" (units s, m, "
                   "h, d; at most seven days)");
  }
  return Rate{*count, period};
}

std::string Rate::to_string() const {
  if (!is_limited()) return "none";
  for (const TimeUnit& unit : kUnits) {
    if (period % unit.length != Seconds(0)) continue;
    const auto times = period / unit.length;
    return std::to_string(count) + "/" + (times == 1 ? "" : std::to_string(times)) + unit.name;
  }
  return {};
}

bool Rate::is_lower_than(const Rate& other) const {
  if (!is_limited()) return false;
  if (!other.is_limited()) return true;
  // Neither product can overflow: a billion times seven days.
  return count * static_cast<std::uint64_t>(other.period.count()) <
         other.count * static_cast<std::uint64_t>(period.count());
}

RateLimit::RateLimit(const Rate& rate) {
  if (!rate.is_limited()) return;
  const auto count = static_cast<Duration::rep>(rate.count);
  // Rounded up. With n taken within less than a period, (n - 1) * step <= that time + slack <
  // period + slack <= count * step, so n <= count.
  step_ = Duration((Duration(rate.period + kSlack).count() + count - 1) / count);
}

void RateLimit::take(TimePoint now) {
  if (step_ == Duration(0)) return;
  expected_ = std::max(expected_, now) + step_;
  ready_at_ = expected_ - kSlack;
}

TimePoint RateLimit::ready_behind(std::uint64_t others, TimePoint now) const {
  // No product that leaves the clock's range: a century is never.
  constexpr Duration kFar = std::chrono::days(36'500);
  if (step_ == Duration(0)) return now;
  const auto steps = static_cast<Duration::rep>(
      std::min<std::uint64_t>(others, static_cast<std::uint64_t>(kFar / step_)));
  return std::max(ready_at_, now) + step_ * steps;
}

TimePoint Appointments::make(const RateLimit& limit, std::uint64_t kept, TimePoint now) {
  const TimePoint latest = now + kWithin;
  last_ = std::min(latest, std::max(last_ + limit.step(), limit.ready_behind(kept, now)));
  return last_;
}

}  // namespace postrider::policy
