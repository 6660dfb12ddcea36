// Rate: so many in a time. RateLimit: holds to it exactly, by the generic cell rate algorithm
// (ITU-T I.371): one time is remembered, not a list of events, and when the next may go is known
// ahead, so that nobody has to ask again and again.
//
// Pure, with time as an argument. Thread: one owner.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "relay/base/clock.h"
#include "relay/base/result.h"

namespace postrider::policy {

// `count` 0: no limit.
struct Rate {
  std::uint64_t count = 0;
  Seconds period{1};

  static constexpr std::uint64_t kCountMax = 1'000'000'000;
  static constexpr Seconds kPeriodMax = std::chrono::days(7);

  // "100/s", "600/m", "5000/h", "100000/d", "1/10s", or "none".
  static Result<Rate> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] bool is_limited() const { return count != 0; }

  // Whether it lets less through than `other`.
  [[nodiscard]] bool is_lower_than(const Rate& other) const;

  bool operator==(const Rate&) const = default;
};

class RateLimit {
 public:
  explicit RateLimit(const Rate& rate = {});

  // When the next may be taken; at or before `now`: now.
  [[nodiscard]] TimePoint ready_at() const { return ready_at_; }

  // At or after ready_at(). In no stretch of time as long as the period are more taken than the
  // count.
  void take(TimePoint now);

  // The time between two in the long run; 0: no limit.
  [[nodiscard]] Duration step() const { return step_; }

  // When one could be taken behind `others` that are taken as early as they may.
  [[nodiscard]] TimePoint ready_behind(std::uint64_t others, TimePoint now) const;

  // Nothing that was taken matters any more.
  [[nodiscard]] bool is_fresh(TimePoint now) const { return now >= expected_; }

 private:
  // Timers are late by a moment; what they are late by is made up for. The steps are a little
  // longer than period / count for it, so that the limit holds all the same.
  static constexpr Duration kSlack = Milliseconds(20);

  Duration step_{0};      // between two; 0: no limit
  TimePoint expected_{};  // when the next would come if all were evenly spread
  TimePoint ready_at_{};  // expected_ less what may be made up for
};

// Appointments: what has to wait for a limit and is not kept is told when to come again: one behind
// the other, as the limit will let them through.
class Appointments {
 public:
  // None is later than that, because a limit may be lifted and a rate is not always used up.
  static constexpr Duration kWithin = std::chrono::hours(1);

  // For one more, `kept` being those that are there and go before it.
  TimePoint make(const RateLimit& limit, std::uint64_t kept, TimePoint now);

 private:
  TimePoint last_{};
};

}  // namespace postrider::policy
