// LoginGuard: makes guessing passwords slow. It counts failed logins by client and by user, and
// once a few have failed lets the next one be tried only after a while that doubles each time.
//
// A success forgives a client its failures with that user: people mistype. Those with other users
// stay, or whoever has one account could guess at all others. And only as many as are free are
// forgiven in one memory: whoever shares an address with a busy application could otherwise guess
// its password between its logins.
//
// Parallel guesses gain nothing: who checks a password asks wait() right before it and tells of a
// failure right after, so that no more are made beyond the limit than threads check at one time.
//
// A user is not locked out by strangers: where somebody logged in as the user within the memory of
// the guard, only failures of that client count. Memory is bounded: the guard keeps two
// generations, drops the older when the younger is full or old, and so forgets a failure within two
// generations. Successes are kept apart from failures: no number of guesses makes it forget who has
// logged in. Thread: any (one mutex).
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/clock.h"
#include "relay/base/guarded.h"
#include "relay/base/ip.h"

namespace postrider::policy {

struct LoginGuardOptions {
  // Failed logins of one client (an IPv4 address, an IPv6 /64), or for one user, that are free; 0:
  // logins are never put off.
  unsigned failures_free = 10;
  // After the first that is not free, and at most.
  Duration backoff_first = Seconds(5);
  Duration backoff_max = Seconds(900);
  // How long failures are remembered, at least.
  Duration memory = Seconds(3600);
};

class LoginGuard {
 public:
  explicit LoginGuard(const LoginGuardOptions& options) : options_(options) {}

  enum class Whose { kClient, kUser };

  struct Wait {
    Whose whose;
    Duration left;
  };

  // nullopt: the login may be tried. User "" is nobody: only the client counts.
  [[nodiscard]] std::optional<Wait> wait(const IpAddress& client, std::string_view user,
                                         TimePoint now);
  void failed(const IpAddress& client, std::string_view user, TimePoint now);
  void succeeded(const IpAddress& client, std::string_view user, TimePoint now);
  // Whether this client has logged in as this user within the memory of the guard; also while
  // failures are not counted.
  [[nodiscard]] bool has_logged_in(const IpAddress& client, std::string_view user, TimePoint now);

  // Keys of a generation, up to two for each name tried; beyond, the older one is dropped.
  static constexpr std::size_t kEntriesMax = 100'000;

 private:
  struct Entry {
    unsigned failures = 0;
    TimePoint free_at{};
    unsigned forgiven = 0;  // of a user and a client together, within this generation
  };

  using Generation = std::map<std::string, Entry, std::less<>>;

  struct Memory {
    Generation young;
    Generation old;
    TimePoint begun{};
  };

  struct State {
    Memory failures;
    Memory successes;  // keys of a user and a client together
  };

  static std::string key_of(const IpAddress& client);
  static std::string key_of(const IpAddress& client, std::string_view user);
  void age(Memory& memory, TimePoint now) const;
  void age(State& state, TimePoint now) const;
  static Entry& entry(Memory& memory, const std::string& key);
  static const Entry* find(const Memory& memory, const std::string& key);
  void count(Memory& failures, const std::string& key, TimePoint now) const;

  const LoginGuardOptions& options_;
  Guarded<State> state_;
};

}  // namespace postrider::policy
