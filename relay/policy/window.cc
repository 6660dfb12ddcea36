#include "relay/policy/window.h"

#include <algorithm>

namespace postrider::policy {

namespace {

// A pause is shortened by up to this part, so that sites that failed together are not probed
// together, and none waits longer than the maximum.
constexpr double kPauseJitter = 0.2;

Duration shortened(Duration pause, Random& random) {
  return std::chrono::duration_cast<Duration>(pause * (1.0 - kPauseJitter * random.unit()));
}

// Enough to reach any maximum from a millisecond; it bounds the loop where the first pause is zero.
constexpr unsigned kDoublingsMax = 40;

}  // namespace

Window::Window(const WindowOptions& options)
    : options_(&options), limit_(options.connections_first), fast_below_(options.connections_max) {}

std::size_t Window::limit(TimePoint now) const {
  if (is_resting(now)) return 0;
  if (is_closed()) return now < closed_until_ ? 0 : 1;
  return std::clamp<std::size_t>(limit_, 1, std::max<std::size_t>(1, options_->connections_max));
}

// One cause makes several connections fail at a time; they count once.
bool Window::is_known(TimePoint now) const {
  return shrunk_at_ && now - *shrunk_at_ < kShrinkInterval;
}

void Window::reached() {
  if (!is_closed()) return;
  // The site is back, and perhaps weak: from one connection on.
  closed_until_ = TimePoint::max();
  outages_ = 0;
  limit_ = 1;
  successes_ = 0;
}

void Window::stands(std::size_t standing, TimePoint now) {
  // While it is smaller than that it has been asked for less.
  if (hold_ == kNoHold || standing <= hold_ || limit_ < hold_) return;
  limit_ = hold_ = standing;
  // It takes more than it did: the next is tried as soon as the window grows to it. One that was
  // tried together with those that had trouble tells no more than where that began.
  if (!is_known(now)) try_at_ = now;
}

// Beyond what it is held at one connection at a time, when it is time.
bool Window::may_grow(TimePoint now) const {
  if (limit_ >= options_->connections_max || limit_ > hold_) return false;
  return limit_ < hold_ || now >= try_at_;
}

void Window::succeeded(TimePoint now) {
  if (is_closed()) return reached();
  if (shrunk_at_ && now - *shrunk_at_ >= kForgetAfter) hold_ = kNoHold;
  if (!may_grow(now)) return;
  // Below the size that last led to trouble each success earns a connection, so that a round of
  // them doubles the window; above it a whole round earns one.
  ++successes_;
  if (limit_ < fast_below_ || successes_ >= limit_) {
    trying_ |= limit_ == hold_;
    ++limit_;
    successes_ = 0;
  }
}

void Window::hold(std::size_t level, TimePoint now, Random& random) {
  if (!is_known(now)) {
    const bool in_vain = trying_ && level <= troubled_;
    try_after_ = in_vain ? std::min(kTryMax, try_after_ * 2) : kTryFirst;
    shrunk_at_ = now;
  }
  hold_ = troubled_ = level;
  trying_ = false;
  try_at_ = now + shortened(try_after_, random);
  fast_below_ = limit_;
  successes_ = 0;
}

bool Window::slow_down(std::size_t standing, TimePoint now, Random& random) {
  if (is_closed() || is_known(now)) return false;
  const std::size_t had = std::max<std::size_t>(
      1, std::min({limit_, options_->connections_max, std::max<std::size_t>(1, standing)}));
  limit_ = std::max<std::size_t>(1, had / 2);
  // Not up to what was too much: what the destination counts is not always connections.
  hold(std::max(limit_, had * 3 / 4), now, random);
  return true;
}

bool Window::refused(std::size_t standing, TimePoint now, Random& random) {
  if (is_closed()) return false;
  const bool is_new = !is_known(now);
  limit_ = std::max<std::size_t>(1, std::min(limit_, standing));
  hold(limit_, now, random);
  return is_new;
}

void Window::rest(TimePoint until) {
  rest_until_ = std::max(rest_until_, until);
  limit_ = 1;
  successes_ = 0;
  fast_below_ = options_->connections_first;
}

void Window::unreachable(TimePoint now, Random& random) {
  // Attempts that began before the outage was known tell nothing new.
  if (is_closed() && now < closed_until_) return;
  Duration pause = std::min(options_->probe_first, options_->probe_max);
  for (unsigned i = 0; i < outages_; ++i) pause = std::min(options_->probe_max, pause * 2);
  outages_ = std::min(outages_ + 1, kDoublingsMax);
  closed_until_ = now + shortened(pause, random);
  fast_below_ = options_->connections_first;
}

}  // namespace postrider::policy
