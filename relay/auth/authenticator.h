// Authenticator: the users, and the crypto pool that checks their passwords off the loops.
//
// A check that succeeded is remembered for a short time, keyed by user and a keyed digest of the
// password, so that an application which logs in for every message costs one hash, not thousands.
// An unknown user costs the same time as a wrong password. Thread: any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "relay/auth/scram.h"
#include "relay/auth/users.h"
#include "relay/base/clock.h"
#include "relay/base/executor.h"
#include "relay/base/result.h"
#include "relay/base/task.h"

namespace postrider::auth {

struct Options {
  std::vector<User> users;  // of the main configuration
  // The file with the users that `postrider user` keeps; "": none. Whoever reads it calls
  // set_users().
  std::string users_file;
  // Threads that hash; each check of yescrypt takes about 25 ms of one core.
  unsigned threads = 1;
  // Checks waiting for a thread, of those that come first and of the others each; beyond, kBusy.
  std::size_t waiting_max = 1000;
  Duration remember_success = Seconds(60);
  std::size_t remembered_max = 10'000;
};

enum class Verdict {
  kAccepted,
  kRejected,  // unknown user or wrong password: not told apart
  kPutOff,    // called off before it was tried; see Trial
  kBusy,      // there was no place to wait: 454 4.7.0
};

// Who has a say in a check that waits for its turn; any may be empty. may_begin and was_wrong are
// called on the thread that makes it: of many that came together, those behind a wrong one can be
// called off. All are destroyed when the check is answered.
struct Trial {
  UniqueFunction<bool()> may_begin;  // right before the password is tried; false: it is not
  UniqueFunction<void()> was_wrong;  // right after, before that thread tries another
  // Within check(), of one that is not remembered: whether it may wait; false: kBusy.
  UniqueFunction<bool()> may_wait = {};
  bool comes_first = false;  // before all for which this is not set
};

class Authenticator {
 public:
  // `secret`: 32 octets that stay the same over restarts, or empty. What is told to users that do
  // not exist comes from it: were it another one after a restart, that would show which ones exist.
  Authenticator(Options options, const Clock& clock, std::string_view secret = {});
  // Waits for checks in progress; those waiting are answered kBusy.
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // From now on these are the users, instead of those there were; checks in progress end with the
  // users they began with. A success stays remembered where the user's verifier is the same.
  void set_users(std::vector<User> users);
  // Those there are now.
  [[nodiscard]] std::shared_ptr<const Users> users() const;

  // How many checks of one turn may be waiting or in progress.
  [[nodiscard]] const std::size_t& places() const;

  // With the users there are now; not after this authenticator.
  [[nodiscard]] ScramExchange begin_scram() const;

  // `done` runs through `reply_on`, exactly once. `reply_on` outlives the check. A check that is
  // remembered is answered without waiting, even while the pool's queues are full, and is no trial.
  void check(std::string user, std::string password, Executor& reply_on,
             UniqueFunction<void(Verdict)> done, Trial trial = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::auth
