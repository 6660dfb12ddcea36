// ClockWatch: tells when the system clock and the relay's own time part. The relay's time goes on
// as it was at start, so that a clock that is set never moves a due time; but when the clock was
// wrong at start, the relay's time stays wrong until the next start, and somebody has to know.
//
// Thread: one caller at a time.
#pragma once

#include <functional>

#include "metrics/metrics.h"
#include "relay/base/clock.h"

namespace postrider::daemon {

class ClockWatch {
 public:
  // `system` tells the time of the system clock. What is referred to outlives the watch.
  ClockWatch(const Clock& clock, metrics::Registry& metrics, std::function<WallTime()> system);

  // Says in the log where the clock cannot be right, and each time that it was set.
  void look();

  // How often to look.
  static constexpr Seconds kInterval{10};
  // What a clock may differ without having been set.
  static constexpr Seconds kStep{2};

 private:
  const Clock& clock_;
  const std::function<WallTime()> system_;
  metrics::Gauge ahead_;
  Milliseconds seen_{0};  // the difference that was said last
  bool began_ = false;
};

}  // namespace postrider::daemon
