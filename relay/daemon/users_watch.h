// UsersWatch: keeps the users of auth.users_file current. It looks for a changed file every few
// seconds, on a thread of its own, since reading thousands of users takes time. A version with a
// mistake is reported, and the users that were read last stay.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

#include "metrics/metrics.h"
#include "relay/auth/users.h"
#include "relay/base/clock.h"
#include "relay/base/guarded.h"
#include "relay/base/result.h"

namespace postrider::daemon {

class UsersWatch {
 public:
  using Apply = std::function<void(std::vector<auth::User>)>;

  // Reads the file at once: an error names what is wrong with it. `apply` gets `others`, the users
  // of the main configuration, and those of the file behind them: now within this call, later on
  // the watch's thread. What is referred to outlives the watch.
  static Result<std::unique_ptr<UsersWatch>> start(std::string file, std::vector<auth::User> others,
                                                   metrics::Registry& metrics, Apply apply,
                                                   Duration interval = Seconds(2));
  ~UsersWatch();
  UsersWatch(const UsersWatch&) = delete;
  UsersWatch& operator=(const UsersWatch&) = delete;

  // Any thread: the file is read soon, changed or not.
  void read_again();

 private:
  // What tells one version of the file from another.
  struct Version {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    std::int64_t changed = 0;  // nanoseconds

    bool operator==(const Version&) const = default;
  };

  struct State {
    bool asked = false;
    bool stopping = false;
  };

  UsersWatch(std::string file, std::vector<auth::User> others, metrics::Registry& metrics,
             Apply apply, Duration interval);
  [[nodiscard]] Version version() const;
  Result<void> read();
  void run();

  const std::string file_;
  const std::vector<auth::User> others_;
  const Apply apply_;
  const Duration interval_;
  metrics::Counter read_;
  metrics::Counter refused_;
  metrics::Gauge users_;
  Version seen_;
  Guarded<State> state_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace postrider::daemon
