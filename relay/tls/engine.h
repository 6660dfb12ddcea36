// Engine: TLS for one connection as bytes in, bytes out. No socket: ciphertext goes in and comes
// out as strings, so plaintext that arrived before the handshake has no way in.
//
// Thread: one caller at a time; not reentrant.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/result.h"
#include "relay/tls/context.h"

namespace postrider::tls {

struct Facts {
  std::string version;  // "TLSv1.3"
  std::string cipher;   // "TLS_AES_256_GCM_SHA384"
  bool resumed = false;
  // The peer's certificate was checked and is good. `verify_error` says why not ("" if it was not
  // checked, or there is none).
  bool verified = false;
  std::string verify_error;
  // Server side, of a client that is verified: what its certificate calls it, as "sha256:...",
  // "email:..." and "dns:..."; see peer_names.h.
  std::vector<std::string> names;
};

class Engine {
 public:
  enum class State {
    kHandshaking,
    kOpen,
    kPeerClosed,  // close_notify arrived; what was decrypted before it can still be read
    kFailed,      // see error(); nothing more will be decrypted or encrypted
  };

  static Engine server(std::shared_ptr<const Context> context);
  // `name`: for SNI and, where the context verifies, the name to match ("" or an IP literal: no
  // SNI). Nothing to match where the context verifies: the engine starts in kFailed. `session`: to
  // be resumed, where the peer agrees; ignored unless it was made under the same Context (and,
  // where that verifies, the same name).
  static Engine client(std::shared_ptr<const Context> context, std::string_view name,
                       const std::optional<Session>& session = std::nullopt);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Ciphertext from the peer. Decrypted text is appended to `plain`, at most what this input held.
  // Returns the state after it. A client's first flight needs one call with "" to be made.
  State receive(std::string_view ciphertext, std::string& plain);
  // Encrypts; legal from kOpen on. In kFailed, which the peer can bring about at any time, it does
  // nothing. A peer that has closed its own direction may still read (RFC 8446 section 6.1; one of
  // TLS 1.2 drops what comes, RFC 5246 section 7.2.1). The caller bounds how much it encrypts ahead
  // of the socket.
  void send(std::string_view plain);
  // close_notify, once.
  void close();
  // Ciphertext to be sent: handshake, alerts (after a failure too), records. Empty: nothing to
  // send.
  std::string take_output();

  [[nodiscard]] State state() const;
  // Valid from kOpen on.
  [[nodiscard]] const Facts& facts() const;
  // Why it failed, in words: protocol alert, verification, unexpected plaintext...
  [[nodiscard]] const std::string& error() const;
  // Client: the newest session the peer gave, once; may come after the handshake (TLS 1.3), so ask
  // when the connection ends. A resumed TLS 1.2 session is given back. nullopt after a failure.
  std::optional<Session> take_session();

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace postrider::tls
