// UsersWatch: keeps the users of auth.users_file current, on a thread of its own, since reading
// thousands of them takes time. A version with a mistake is reported, and the users that were read
// last stay; an empty file where there were users is one, left by a full disk, say.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "metrics/metrics.h"
#include "relay/auth/users.h"
#include "relay/base/clock.h"
#include "relay/base/result.h"
#include "relay/daemon/file_watch.h"

namespace postrider::daemon {

class UsersWatch {
 public:
  using Apply = std::function<void(std::vector<auth::User>)>;

  // Reads the file at once: an error names what is wrong with it. `apply` gets `others`, the users
  // of the main configuration, and those of the file behind them: now within this call, later on
  // the watch's thread. What is referred to outlives the watch.
  static Result<std::unique_ptr<UsersWatch>> start(std::string file, std::vector<auth::User> others,
                                                   metrics::Registry& metrics, Apply apply,
                                                   Duration interval = FileWatch::kInterval);

  // Any thread: the file is read soon, changed or not.
  void read_again() { watch_.look_again(); }

 private:
  UsersWatch(std::string file, std::vector<auth::User> others, metrics::Registry& metrics,
             Apply apply, Duration interval);
  Result<void> read();
  void read_changed();

  const std::string file_;
  const std::vector<auth::User> others_;
  const Apply apply_;
  metrics::Counter read_;
  metrics::Counter refused_;
  metrics::Gauge users_;
  bool had_users_ = false;  // in the file
  FileWatch watch_;         // last: its thread uses what stands above
};

}  // namespace postrider::daemon
