#include "relay/event/loop.h"

#include <cerrno>
#include <csignal>
#include <sys/resource.h>
#include <utility>

#include "relay/base/check.h"
#include "relay/event/uv_handle.h"

namespace postrider::event {

namespace {

// Closes finish within two turns; a signal in flight may take some more.
constexpr int kMaxClosingTurns = 100;

Error cannot_create(int status) {
  std::string what = "creating an event loop";
  rlimit limit{};
  if (status == UV_EMFILE && ::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    what += " (the limit of open descriptors, RLIMIT_NOFILE, is " + std::to_string(limit.rlim_cur) +
            ")";
  } else if (status == UV_ENFILE) {
    what += " (the system's limit of open files, fs.file-max, is reached)";
  }
  return uv_error(what, status);
}

// libuv writes without MSG_NOSIGNAL; a peer that went away must be an error code, not our end.
void ignore_sigpipe() {
  static std::once_flag once;
  std::call_once(once, [] { std::signal(SIGPIPE, SIG_IGN); });
}

std::string open_handles(uv_loop_t* loop) {
  std::string names;
  uv_walk(
      loop,
      [](uv_handle_t* handle, void* text) noexcept {
        static_cast<std::string*>(text)->append(uv_handle_type_name(handle->type)).append(" ");
      },
      &names);
  return names;
}

}  // namespace

Loop::Loop()
    : loop_(std::make_unique<uv_loop_t>()),
      wake_(std::make_unique<uv_async_t>()),
      read_buffer_(std::make_unique_for_overwrite<char[]>(kReadBufferSize)) {}

Result<std::unique_ptr<Loop>> Loop::create() {
  ignore_sigpipe();
  std::unique_ptr<Loop> loop(new Loop());
  if (const int status = uv_loop_init(loop->raw()); status < 0) {
    loop->loop_.reset();
    return failure(cannot_create(status));
  }
  const int status = uv_async_init(loop->raw(), loop->wake_.get(), [](uv_async_t* wake) noexcept {
    static_cast<Loop*>(wake->data)->run_posted();
  });
  if (status < 0) {
    PR_CHECK(uv_loop_close(loop->raw()) == 0);
    loop->loop_.reset();
    return failure(cannot_create(status));
  }
  loop->wake_->data = loop.get();
  return loop;
}

Loop::~Loop() {
  if (!loop_) return;
  // Tasks may own objects of this loop, so they go before the handles are counted.
  drop_posted();
  uv_close(as_handle(*wake_), nullptr);
  int turns = 0;
  while (uv_run(loop_.get(), UV_RUN_NOWAIT) != 0 && turns < kMaxClosingTurns) ++turns;
  PR_CHECK(uv_loop_close(loop_.get()) == 0, "handles left open: " + open_handles(loop_.get()));
}

void Loop::run() {
  PR_CHECK(!in_run_.exchange(true), "the loop is running already");
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  while (!stopping_.exchange(false)) uv_run(loop_.get(), UV_RUN_DEFAULT);
  in_run_.store(false);
}

void Loop::poll_once() {
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  uv_run(loop_.get(), UV_RUN_NOWAIT);
}

void Loop::stop() {
  stopping_.store(true);
  // uv_stop is for the loop's own thread; from elsewhere the wake-up brings the flag to notice.
  if (in_run_.load() && on_loop_thread()) {
    uv_stop(loop_.get());
  } else {
    uv_async_send(wake_.get());
  }
}

void Loop::post(Task task) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  // Behind the first task of a batch everything is found by the wake-up it caused.
  if (first) uv_async_send(wake_.get());
}

void Loop::run_posted() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(posted_);
  }
  for (Task& posted : running_) {
    // What a task owns ends with the task, not with the batch.
    Task task = std::move(posted);
    task();
  }
  running_.clear();
  if (stopping_.load()) uv_stop(loop_.get());
}

void Loop::drop_posted() {
  for (;;) {
    std::vector<Task> dropped;
    {
      const std::lock_guard lock(mutex_);
      dropped.swap(posted_);
    }
    // Destroying a task may post another.
    if (dropped.empty()) return;
  }
}

}  // namespace postrider::event
