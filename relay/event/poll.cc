#include "relay/event/poll.h"

#include <memory>
#include <utility>

#include "relay/base/check.h"
#include "relay/event/loop.h"
#include "relay/event/uv_handle.h"

namespace postrider::event {

// Lives as long as the Poll. The libuv handle is a block of its own: closing a uv_poll_t takes its
// descriptor number out of the kernel's set, and by then the number may belong to a new socket. So
// watch(false, false), after which the owner may close the descriptor, closes that block at once.
struct Poll::Handle {
  struct Watcher {
    explicit Watcher(Handle& owner) : poll(&owner) {}

    uv_poll_t uv{};
    Handle* poll;  // null: no longer of interest
  };

  Handle(Loop& owner, int descriptor, OnReady callback)
      : loop(owner), fd(descriptor), on_ready(std::move(callback)) {}

  // 0 or a libuv error.
  int open() {
    auto opened = std::make_unique<Watcher>(*this);
    const int status = uv_poll_init(loop.raw(), &opened->uv, fd);
    if (status < 0) return status;
    watcher = opened.release();
    watcher->uv.data = watcher;
    return 0;
  }

  void close() {
    if (watcher == nullptr) return;
    watcher->poll = nullptr;
    close_block(std::exchange(watcher, nullptr));
  }

  void start() { PR_CHECK(uv_poll_start(&watcher->uv, events, &Handle::ready) == 0); }

  static void ready(uv_poll_t* poll, int status, int events) noexcept {
    const Watcher& watcher = block_of<Watcher>(as_handle(*poll));
    Handle* const self = watcher.poll;
    if (self == nullptr) return;
    const bool error = status < 0;
    // libuv stops watching at an error; our user still wants to, and clears the error by reading.
    if (error) self->start();
    // Held here: the callback may destroy the Poll.
    OnReady on_ready = std::move(self->on_ready);
    bool destroyed = false;
    self->destroyed = &destroyed;
    on_ready(error || (events & UV_READABLE) != 0, error || (events & UV_WRITABLE) != 0);
    if (destroyed) return;
    self->destroyed = nullptr;
    self->on_ready = std::move(on_ready);
  }

  Loop& loop;
  int fd;
  OnReady on_ready;
  int events = 0;
  Watcher* watcher = nullptr;  // frees itself when libuv has closed it
  bool* destroyed = nullptr;   // set during the callback
};

namespace {

void destroy(auto* handle) {
  if (handle == nullptr) return;
  PR_CHECK(handle->loop.accessible(), "poll destroyed on a foreign thread");
  handle->close();
  if (handle->destroyed != nullptr) *handle->destroyed = true;
  delete handle;
}

}  // namespace

Result<Poll> Poll::create(Loop& loop, int fd, OnReady on_ready) {
  Poll poll(new Handle(loop, fd, std::move(on_ready)));
  if (const int status = poll.handle_->open(); status < 0) {
    return failure(uv_error("watching descriptor " + std::to_string(fd), status));
  }
  return poll;
}

Poll::Poll(Poll&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Poll& Poll::operator=(Poll&& other) noexcept {
  if (this != &other) destroy(std::exchange(handle_, std::exchange(other.handle_, nullptr)));
  return *this;
}

Poll::~Poll() {
  destroy(handle_);
}

void Poll::watch(bool readable, bool writable) {
  PR_CHECK(handle_->loop.accessible(), "poll changed on a foreign thread");
  handle_->events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (handle_->events == 0) {
    handle_->close();
    return;
  }
  if (handle_->watcher == nullptr) {
    const int status = handle_->open();
    PR_CHECK(status == 0, uv_err_name(status));
  }
  handle_->start();
}

}  // namespace postrider::event
