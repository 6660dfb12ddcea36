#include "relay/daemon/users_watch.h"

#include <pthread.h>
#include <sys/stat.h>
#include <utility>

#include "relay/base/log.h"
#include "relay/config/config.h"

namespace postrider::daemon {

using metrics::Metric;

namespace {

// Mistakes of a file that the log names; `postrider check` names them all.
constexpr std::size_t kProblemsShown = 5;

}  // namespace

Result<std::unique_ptr<UsersWatch>> UsersWatch::start(std::string file,
                                                      std::vector<auth::User> others,
                                                      metrics::Registry& metrics, Apply apply,
                                                      Duration interval) {
  std::unique_ptr<UsersWatch> watch(
      new UsersWatch(std::move(file), std::move(others), metrics, std::move(apply), interval));
  watch->seen_ = watch->version();
  if (auto done = watch->read(); !done) return failure(done.error());
  watch->thread_ = std::thread([self = watch.get()] { self->run(); });
  return watch;
}

UsersWatch::UsersWatch(std::string file, std::vector<auth::User> others, metrics::Registry& metrics,
                       Apply apply, Duration interval)
    : file_(std::move(file)),
      others_(std::move(others)),
      apply_(std::move(apply)),
      interval_(interval),
      read_(metrics.counter(Metric::kUsersReads, "ok")),
      refused_(metrics.counter(Metric::kUsersReads, "failed")),
      users_(metrics.gauge(Metric::kUsers)) {}

UsersWatch::~UsersWatch() {
  state_.lock()->stopping = true;
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void UsersWatch::read_again() {
  state_.lock()->asked = true;
  changed_.notify_all();
}

// Of a file that cannot be looked at: a version of its own, so that its return is a change.
UsersWatch::Version UsersWatch::version() const {
  struct stat about {};

  if (::stat(file_.c_str(), &about) != 0) return {};
  const auto nanoseconds = std::int64_t{1'000'000'000};
  return {about.st_dev, about.st_ino, about.st_size,
          about.st_ctim.tv_sec * nanoseconds + about.st_ctim.tv_nsec};
}

Result<void> UsersWatch::read() {
  config::UsersResult loaded = config::load_users(file_, others_);
  if (!loaded.problems.empty()) {
    refused_.add();
    std::string all;
    for (std::size_t i = 0; i < loaded.problems.size() && i < kProblemsShown; ++i) {
      if (i > 0) all += "; ";
      all += loaded.problems[i].where + ": " + loaded.problems[i].what;
    }
    return failure(std::move(all));
  }
  const std::size_t count = loaded.users.size();
  std::vector<auth::User> all = others_;
  all.insert(all.end(), std::make_move_iterator(loaded.users.begin()),
             std::make_move_iterator(loaded.users.end()));
  users_.set(static_cast<double>(all.size()));
  apply_(std::move(all));
  read_.add();
  log::info("auth", "users read", {{"file", file_}, {"users", count}});
  return {};
}

void UsersWatch::run() {
  pthread_setname_np(pthread_self(), "users");
  for (;;) {
    bool asked = false;
    {
      auto state = state_.lock();
      changed_.wait_for(state.mutex_lock(), interval_,
                        [&] { return state->stopping || state->asked; });
      if (state->stopping) return;
      asked = std::exchange(state->asked, false);
    }
    // Looked at before it is read: a change meanwhile is seen the next time.
    const Version found = version();
    if (found == seen_ && !asked) continue;
    seen_ = found;
    if (auto done = read(); !done) {
      log::error("auth", "the users cannot be read; those read last stay",
                 {{"error", done.error().text()}});
    }
  }
}

}  // namespace postrider::daemon
