// Connection: one TCP connection to one address of an MX host: stream, TLS, protocol engine.
// Carries out the engine's actions and holds no rule of mail itself.
//
// Thread: loop-affine.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "relay/auth/scram_client.h"
#include "relay/delivery/shared.h"
#include "relay/delivery/targets.h"
#include "relay/event/loop.h"
#include "relay/event/tcp.h"
#include "relay/event/timer.h"
#include "relay/smtp/client_session.h"
#include "relay/tls/engine.h"

namespace postrider::delivery {

class Connection;

// Told by a Connection, from the loop, never from inside a call on it but start(), send(), quit()
// and the two that answer on_text_wanted().
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  // The TCP connection stands; nothing has been said on it. Others may be destroyed now, not this
  // one.
  virtual void on_connected(Connection& connection) = 0;
  // Greeted, or ready for the next transaction: send() or quit() may be called now or later.
  virtual void on_ready() = 0;
  // Ready, and neither was called for Options::idle_timeout: call quit().
  virtual void on_idle_timeout() = 0;
  // The next piece of a text that comes in pieces is wanted: give_text() or text_failed(), from the
  // loop.
  virtual void on_text_wanted() = 0;
  virtual void on_transaction_done(smtp::TransactionDone done) = 0;
  // It is over; the last thing that is told. The owner destroys the connection, in this call or
  // later.
  virtual void on_ended(Connection& connection, const smtp::Ended& ended) = 0;
};

struct ConnectionOptions {
  Target target;
  smtp::StartTlsUse start_tls = smtp::StartTlsUse::kIfOffered;
  std::optional<tls::Session> resume;
  const Hop* hop = nullptr;        // how it is spoken to; outlives the connection
  const Source* source = nullptr;  // whence; outlives it too
};

class Connection final : public event::StreamEvents {
 public:
  // `shared`, `loop` and `owner` outlive it.
  Connection(Shared& shared, event::Loop& loop, ConnectionOwner& owner, ConnectionOptions options);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Connects. May tell on_ended at once.
  void start();
  // Only after on_ready and before the next on_transaction_done.
  void send(smtp::Transaction transaction);
  // The answer to on_text_wanted(); either may end the connection.
  void give_text(const message::Body& piece);
  void text_failed(std::string_view reason);
  // Orderly end of an idle connection; on_ended follows.
  void quit();

  [[nodiscard]] const Target& target() const { return options_.target; }

  [[nodiscard]] const smtp::ClientSession& session() const { return session_; }

  // "TLSv1.3 TLS_AES_256_GCM_SHA384", or "".
  [[nodiscard]] std::string tls_text() const;
  // The local address; "" before the connection stands, and where it has none.
  [[nodiscard]] std::string source_text() const;
  // The newest TLS session the peer gave; once.
  std::optional<tls::Session> take_session();

  // event::StreamEvents
  void on_connected() override;
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_failure(const Error& error) override;
  void on_drained() override;

 private:
  [[nodiscard]] TimePoint now() const { return shared_.clock.now(); }

  void on_timer();
  void receive_tls(std::string_view bytes);
  void shake_hands(std::string_view bytes);
  // Acts on what the engine has made of what came; `plain` is what it decrypted.
  void received_tls(std::string_view plain);
  void drain();
  void drain_actions();
  void carry_out(smtp::SendChunks& action);
  void carry_out(const smtp::StartTls& action);
  void carry_out(const smtp::AskScram& action);
  void carry_out(const smtp::AskText& action);
  void carry_out(const smtp::Ready& action);
  void carry_out(smtp::TransactionDone& action);
  void carry_out(smtp::Ended& action);
  // Hands what waits to the socket as far as the socket keeps up; tells the session when all is
  // out.
  void pump();
  void note_sent();
  void start_tls();
  void prove(const std::optional<auth::ScramKeys>& keys);
  void tls_established();
  [[nodiscard]] std::string_view end_of_tls(tls::Engine::State state) const;
  void handshake_failed(std::string_view reason);
  // The connection has ended, by the peer or by failure.
  void lost(std::string_view reason);
  void encrypt_some();
  void encrypt(std::string_view plain);
  void flush_tls();
  Result<event::Stream> connect();
  void connect_failed(std::string_view text);
  // Timer; telling the end. `this` may be gone after it.
  void settle();

  // Octets given to the socket ahead of the kernel; bounds what encryption makes in advance.
  static constexpr std::size_t kUnsentMax = 256 * 1024;
  // Beyond what encryption makes: answers to messages of TLS itself (KeyUpdate, HelloRequest).
  static constexpr std::size_t kTlsUnsentMax = 2 * kUnsentMax;

  Shared& shared_;
  event::Loop& loop_;
  ConnectionOwner& owner_;
  ConnectionOptions options_;
  smtp::ClientOptions session_options_;
  smtp::ClientSession session_;
  std::optional<event::Stream> stream_;
  std::shared_ptr<tls::Engine> tls_;  // not touched while a step of its handshake is made
  std::optional<auth::ScramClient> scram_;
  event::Timer timer_;
  std::deque<Chunk> outgoing_;
  std::optional<smtp::Ended> ended_;
  TimePoint own_deadline_;  // connecting, or idle
  bool connected_ = false;
  bool tls_established_ = false;
  bool session_started_ = false;
  bool draining_ = false;
  unsigned sending_ = 0;  // SendChunks that are not all in the kernel yet
  bool idle_ = false;
  std::shared_ptr<bool> alive_;  // false once destroyed: for answers that come later
};

}  // namespace postrider::delivery
