#include "relay/event/signal.h"

#include <array>
#include <csignal>
#include <utility>

#include "relay/event/loop.h"
#include "relay/event/uv_handle.h"

namespace postrider::event {

struct Signal::Handle {
  explicit Handle(UniqueFunction<void()> callback) : on_signal(std::move(callback)) {}

  static void arrived(uv_signal_t* signal, int) noexcept {
    Handle& self = block_of<Handle>(as_handle(*signal));
    // Held here: the callback may destroy the Signal, and with it the member.
    UniqueFunction<void()> on_signal = std::move(self.on_signal);
    on_signal();
    if (uv_is_closing(as_handle(*signal)) == 0) self.on_signal = std::move(on_signal);
  }

  uv_signal_t uv{};
  UniqueFunction<void()> on_signal;
};

namespace {

// libuv gives a signal its default action back with its last handle; one that is never closed, on
// a loop that never runs, keeps libuv's handler for it.
void keep_from_default(int number) {
  static uv_loop_t* const kept = [] {
    static uv_loop_t loop;
    return uv_loop_init(&loop) == 0 ? &loop : nullptr;
  }();
  static std::array<uv_signal_t, NSIG> handles;
  uv_signal_t& handle = handles.at(static_cast<std::size_t>(number));
  if (kept == nullptr || handle.loop != nullptr) return;
  if (uv_signal_init(kept, &handle) != 0) return;
  constexpr auto kNothing = [](uv_signal_t*, int) {};
  uv_signal_start(&handle, kNothing, number);
}

void close_signal(auto* handle) {
  if (handle == nullptr) return;
  handle->on_signal = {};
  close_block(handle);
}

}  // namespace

Result<Signal> Signal::create(Loop& loop, int number, UniqueFunction<void()> on_signal) {
  const std::string what = "watching signal " + std::to_string(number);
  auto handle = std::make_unique<Handle>(std::move(on_signal));
  if (const int status = uv_signal_init(loop.raw(), &handle->uv); status < 0) {
    return failure(uv_error(what, status));
  }
  handle->uv.data = handle.get();
  Signal signal(handle.release());
  if (const int status = uv_signal_start(&signal.handle_->uv, &Handle::arrived, number);
      status < 0) {
    return failure(uv_error(what, status));
  }
  keep_from_default(number);
  return signal;
}

Signal::Signal(Signal&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Signal& Signal::operator=(Signal&& other) noexcept {
  if (this != &other) close_signal(std::exchange(handle_, std::exchange(other.handle_, nullptr)));
  return *this;
}

Signal::~Signal() {
  close_signal(handle_);
}

}  // namespace postrider::event
