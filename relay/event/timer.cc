#include "relay/event/timer.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "relay/base/check.h"
#include "relay/event/loop.h"
#include "relay/event/uv_handle.h"

namespace postrider::event {

struct Timer::Handle {
  Handle(Loop& owner, UniqueFunction<void()> callback) : loop(owner), on_fire(std::move(callback)) {
    PR_CHECK(uv_timer_init(loop.raw(), &uv) == 0);
    uv.data = this;
  }

  static void fired(uv_timer_t* timer) noexcept {
    Handle& self = block_of<Handle>(as_handle(*timer));
    // Held here: the callback may destroy the Timer, and with it the member.
    UniqueFunction<void()> on_fire = std::move(self.on_fire);
    self.loop.in_timer_callback() = true;
    on_fire();
    self.loop.in_timer_callback() = false;
    if (uv_is_closing(as_handle(*timer)) == 0) self.on_fire = std::move(on_fire);
  }

  uv_timer_t uv{};
  Loop& loop;
  UniqueFunction<void()> on_fire;
};

namespace {

void close_timer(auto* handle) {
  if (handle == nullptr) return;
  PR_CHECK(handle->loop.accessible(), "timer destroyed on a foreign thread");
  handle->on_fire = {};
  close_block(handle);
}

}  // namespace

Timer::Timer(Loop& loop, UniqueFunction<void()> on_fire)
    : handle_(new Handle(loop, std::move(on_fire))) {}

Timer::Timer(Timer&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) close_timer(std::exchange(handle_, std::exchange(other.handle_, nullptr)));
  return *this;
}

Timer::~Timer() {
  close_timer(handle_);
}

void Timer::arm(TimePoint deadline) {
  if (deadline == TimePoint::max()) {
    disarm();
    return;
  }
  PR_CHECK(handle_->loop.accessible(), "timer armed on a foreign thread");
  // libuv counts whole milliseconds of the same monotonic clock, from the loop's cached time. Both
  // sides absolute and rounded up: never early, however old the cached time is.
  const auto due = std::chrono::ceil<Milliseconds>(deadline.time_since_epoch()).count();
  const auto now = static_cast<std::int64_t>(uv_now(handle_->loop.raw()));
  // libuv 1.44 goes on firing timers until none is due: two that re-arm each other for now would
  // never let it reach its sockets.
  const std::int64_t soonest = handle_->loop.in_timer_callback() ? 1 : 0;
  const auto delay = static_cast<std::uint64_t>(std::max<std::int64_t>(due - now, soonest));
  PR_CHECK(uv_timer_start(&handle_->uv, &Handle::fired, delay, 0) == 0);
}

void Timer::disarm() {
  PR_CHECK(handle_->loop.accessible(), "timer disarmed on a foreign thread");
  uv_timer_stop(&handle_->uv);
}

}  // namespace postrider::event
