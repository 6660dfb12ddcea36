// The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding: proves that it
// knows the password without saying it, and has the server prove that it knows it too.
//
// Thread: an exchange one caller at a time; a keyring any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/executor.h"
#include "relay/base/result.h"
#include "relay/base/task.h"

namespace postrider::auth {

// What the server wants a password to be prepared with.
struct ScramSalt {
  std::string salt;  // octets
  unsigned iterations = 0;
};

// What a password comes to (RFC 5802 section 3): its client key and its server key.
struct ScramKeys {
  std::string client_key;
  std::string server_key;
};

// Takes milliseconds, by the server's choice up to a second: never on a loop.
ScramKeys derive_scram_keys(std::string_view password, const ScramSalt& salt);

// One exchange: first(), challenged() with what comes back, prove(), verify() with what comes back.
// Errors say what was wrong with the server's message.
class ScramClient {
 public:
  // User and password must be printable ASCII (see make_scram_verifier()). Tests set the nonce.
  explicit ScramClient(std::string_view user);
  ScramClient(std::string_view user, std::string_view nonce);

  // Our first message.
  [[nodiscard]] std::string first() const { return "n,," + first_bare_; }

  // The server's first message.
  Result<ScramSalt> challenged(std::string_view message);
  // Our last message.
  std::string prove(const ScramKeys& keys);

  // Whether prove() was called: verify() is next.
  [[nodiscard]] bool has_proved() const { return !signature_.empty(); }

  // The server's last message; an error where it does not show that the server knows the password.
  [[nodiscard]] Result<void> verify(std::string_view message) const;

 private:
  std::string nonce_;       // ours, then both
  std::string first_bare_;  // client-first-message-bare
  std::string challenge_;   // the server's first message
  std::string signature_;   // that the server's last message must show
};

// Derives keys on a thread of its own, and remembers them: a server gives the same salt each time,
// so that a login for every connection costs one derivation. The thread begins with the first.
class ScramKeyring {
 public:
  ScramKeyring();
  ~ScramKeyring();
  ScramKeyring(const ScramKeyring&) = delete;
  ScramKeyring& operator=(const ScramKeyring&) = delete;

  // `done` runs through `reply_on`, once; nullopt: too many wait. After stop() it is not called.
  void derive(std::string password, ScramSalt salt, Executor& reply_on,
              UniqueFunction<void(std::optional<ScramKeys>)> done);
  // Waits for the derivation in progress; what waits is dropped. Before what `reply_on` refers to
  // ends.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace postrider::auth
