// Window: how many connections a site may have, by feedback. Starts low, grows on success, shrinks
// on trouble, probes after an outage.
//
// What it shrank for is remembered: up to there it grows back, and then tries one connection more,
// kTryFirst later and, each time in vain, after twice as long, up to kTryMax. One that stands lifts
// the bound by one, and the next is tried a round of successes later. So a destination that takes
// no more than so many connections refuses one an hour in the end, and one that takes more again is
// found out soon. Pure state machine with time as an argument. Thread: one owner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>

#include "relay/base/clock.h"
#include "relay/base/random.h"

namespace postrider::policy {

struct WindowOptions {
  std::size_t connections_first = 4;
  std::size_t connections_max = 20;
  // After all addresses of a site failed: wait so long before one probe, doubling up to the
  // maximum.
  Duration probe_first = Seconds(30);
  Duration probe_max = std::chrono::minutes(15);
};

class Window {
 public:
  // The window shrinks at most once in this time: one cause makes many connections fail.
  static constexpr Duration kShrinkInterval = Seconds(5);
  static constexpr Duration kTryFirst = std::chrono::minutes(1);
  static constexpr Duration kTryMax = std::chrono::hours(1);
  // Without trouble for so long, what it shrank for is forgotten.
  static constexpr Duration kForgetAfter = std::chrono::hours(4);

  // `options` outlive the window; a change of connections_max counts at once.
  explicit Window(const WindowOptions& options);

  // Connections allowed now, at most connections_max: 0 while waiting for the next probe, 1 while
  // probing.
  [[nodiscard]] std::size_t limit(TimePoint now) const;

  // When limit() may grow by itself, which it has done if that is past; TimePoint::max(): not by
  // time.
  [[nodiscard]] TimePoint opens_at() const {
    if (rest_until_ == TimePoint{}) return closed_until_;
    return is_closed() ? std::max(closed_until_, rest_until_) : rest_until_;
  }

  // The size that it has lately had trouble beyond; nullopt: it has had none.
  [[nodiscard]] std::optional<std::size_t> held_at() const {
    return hold_ == kNoHold ? std::nullopt : std::optional(hold_);
  }

  // A host of the site has greeted us: an outage is over, and the window opens at one connection.
  void reached();
  // One connection more stands, and with it so many: as many are no trouble.
  void stands(std::size_t standing, TimePoint now);
  // A transaction was answered with a verdict on the mail, good or bad; also tells of reached().
  void succeeded(TimePoint now);
  // The destination asked for less (421, 4xx rate replies) while so many connections stood: half as
  // many, never none. False: this trouble is known.
  bool slow_down(std::size_t standing, TimePoint now, Random& random);
  // While so many stand, one more could not be made: no more than those. False: this trouble is
  // known.
  bool refused(std::size_t standing, TimePoint now, Random& random);
  // The destination wants to be left alone: nothing before then, whoever greets us meanwhile, and
  // one connection to begin with.
  void rest(TimePoint until);

  [[nodiscard]] bool is_resting(TimePoint now) const { return now < rest_until_; }

  // No address of the site could be reached. Told again while it waits for a probe, it does
  // nothing.
  void unreachable(TimePoint now, Random& random);

 private:
  static constexpr std::size_t kNoHold = std::numeric_limits<std::size_t>::max();

  [[nodiscard]] bool is_closed() const { return closed_until_ != TimePoint::max(); }

  [[nodiscard]] bool is_known(TimePoint now) const;
  [[nodiscard]] bool may_grow(TimePoint now) const;
  void hold(std::size_t level, TimePoint now, Random& random);

  const WindowOptions* options_;  // outlives the window
  std::size_t limit_;
  std::size_t fast_below_;     // size up to which growth is fast
  std::size_t successes_ = 0;  // since limit_ last changed
  unsigned outages_ = 0;       // probes in a row that found nobody
  TimePoint closed_until_ = TimePoint::max();
  TimePoint rest_until_{};
  std::optional<TimePoint> shrunk_at_;
  std::size_t hold_ = kNoHold;  // what has stood since the last trouble, or grew without any
  std::size_t troubled_ = 0;    // hold_ as the last trouble left it
  bool trying_ = false;         // more than hold_, since the last trouble
  Duration try_after_ = kTryFirst;
  TimePoint try_at_{};
};

}  // namespace postrider::policy
