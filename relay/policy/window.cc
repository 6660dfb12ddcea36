#include "relay/policy/window.h"

#include <algorithm>

namespace postrider::policy {

namespace {

// A pause is shortened by up to this part, so that sites that failed together are not probed
// together, and none waits longer than the maximum.
constexpr double kPauseJitter = 0.2;

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

void Window::reached() {
  if (!is_closed()) return;
  // The site is back, and perhaps weak: from one connection on.
  closed_until_ = TimePoint::max();
  outages_ = 0;
  limit_ = 1;
  successes_ = 0;
}

void Window::succeeded() {
  if (is_closed()) return reached();
  if (limit_ >= options_->connections_max) return;
  // Below the size that last led to trouble each success earns a connection, so that a round of
  // them doubles the window; above it a whole round earns one.
  ++successes_;
  if (limit_ < fast_below_ || successes_ >= limit_) {
    ++limit_;
    successes_ = 0;
  }
}

void Window::slow_down(TimePoint now) {
  if (is_closed()) return;
  // One cause makes several connections fail at a time; they count once.
  if (shrunk_at_ && now - *shrunk_at_ < kShrinkInterval) return;
  shrunk_at_ = now;
  limit_ = std::max<std::size_t>(1, std::min(limit_, options_->connections_max) / 2);
  fast_below_ = limit_;
  successes_ = 0;
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
  const double part = 1.0 - kPauseJitter * random.unit();
  closed_until_ = now + std::chrono::duration_cast<Duration>(pause * part);
  fast_below_ = options_->connections_first;
}

}  // namespace postrider::policy
