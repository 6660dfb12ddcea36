#include "relay/daemon/users_watch.h"

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
  if (auto done = watch->read(); !done) return failure(done.error());
  watch->watch_.start();
  return watch;
}

UsersWatch::UsersWatch(std::string file, std::vector<auth::User> others, metrics::Registry& metrics,
                       Apply apply, Duration interval)
    : file_(std::move(file)),
      others_(std::move(others)),
      apply_(std::move(apply)),
      read_(metrics.counter(Metric::kUsersReads, "ok")),
      refused_(metrics.counter(Metric::kUsersReads, "failed")),
      users_(metrics.gauge(Metric::kUsers)),
      watch_(
          "users", {file_}, [this] { read_changed(); }, interval) {}

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
  if (loaded.is_empty && had_users_) {
    refused_.add();
    return failure(file_ + ": empty; whoever is to go is removed with `postrider user remove`");
  }
  had_users_ = count > 0;
  std::vector<auth::User> all = others_;
  all.insert(all.end(), std::make_move_iterator(loaded.users.begin()),
             std::make_move_iterator(loaded.users.end()));
  users_.set(static_cast<double>(all.size()));
  apply_(std::move(all));
  read_.add();
  log::info("auth", "users read", {{"file", file_}, {"users", count}});
  return {};
}

void UsersWatch::read_changed() {
  if (auto done = read(); !done) {
    log::error("auth", "the users cannot be read; those read last stay",
               {{"error", done.error().text()}});
  }
}

}  // namespace postrider::daemon
