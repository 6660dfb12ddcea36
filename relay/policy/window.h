// Window: how many connections a site may have, by feedback. Starts low, grows on success, shrinks
// on trouble, probes after an outage. Pure state machine with time as an argument. Thread: one
// owner.
#pragma once

#include <algorithm>
#include <cstddef>
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

  // A host of the site has greeted us: an outage is over, and the window opens at one connection.
  void reached();
  // A transaction was answered with a verdict on the mail, good or bad; also tells of reached().
  void succeeded();
  // The destination asked for less (421, 4xx rate replies), or a connection attempt failed while
  // others work: half as many, never none.
  void slow_down(TimePoint now);
  // The destination wants to be left alone: nothing before then, whoever greets us meanwhile, and
  // one connection to begin with.
  void rest(TimePoint until);

  [[nodiscard]] bool is_resting(TimePoint now) const { return now < rest_until_; }

  // No address of the site could be reached. Told again while it waits for a probe, it does
  // nothing.
  void unreachable(TimePoint now, Random& random);

 private:
  [[nodiscard]] bool is_closed() const { return closed_until_ != TimePoint::max(); }

  const WindowOptions* options_;  // outlives the window
  std::size_t limit_;
  std::size_t fast_below_;     // size up to which growth is fast
  std::size_t successes_ = 0;  // since limit_ last changed
  unsigned outages_ = 0;       // probes in a row that found nobody
  TimePoint closed_until_ = TimePoint::max();
  TimePoint rest_until_{};
  std::optional<TimePoint> shrunk_at_;
};

}  // namespace postrider::policy
