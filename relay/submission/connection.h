// Connection: one client. A TCP stream, behind a load balancer its header, TLS when asked for, and
// the protocol engine; carries out the engine's actions and holds no rule of mail itself. In two
// files: connection_auth.cc has what belongs to logins.
//
// Thread: loop-affine. Ends by asking its Receiver to remove it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "relay/event/tcp.h"
#include "relay/event/timer.h"
#include "relay/smtp/server_session.h"
#include "relay/submission/intake.h"
#include "relay/submission/proxy_header.h"
#include "relay/submission/receiver.h"
#include "relay/tls/engine.h"

namespace postrider::submission {

class Connection final : public event::StreamEvents {
 public:
  Connection(Receiver& receiver, std::uint64_t id, Accepted accepted);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // After it is registered with the receiver; may end the connection.
  void start();
  // May end the connection.
  void shut_down();

  // event::StreamEvents
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_failure(const Error& error) override;
  void on_drained() override;

 private:
  [[nodiscard]] TimePoint now() const { return receiver_.shared().clock.now(); }

  void on_timer();
  // Takes the PROXY header off the front of `bytes`. False: it is not through, or no good.
  bool read_proxy_header(std::string_view& bytes);
  // Greets, or begins with TLS, or refuses.
  void open_session();
  // Ends it without a word: nobody is there who would understand one.
  void drop(std::string_view reason, std::string_view words);
  // At the first octets of a handshake that no STARTTLS announced. False: there is no place.
  bool place_handshake();
  void receive_tls(std::string_view bytes);
  void shake_hands(std::string_view bytes);
  // Acts on what the engine has made of what came; `plain` is what it decrypted.
  void received_tls(std::string_view plain);
  void tls_opened();
  // Carries out what the session asks for until it waits; then settles.
  void drain();
  void drain_actions();
  void carry_out(smtp::Send& action);
  void carry_out(const smtp::AskTls& action);
  void carry_out(const smtp::StartTls& action);
  void carry_out(const smtp::AskSender& action);
  void carry_out(const smtp::AskRecipient& action);
  void carry_out(const smtp::BeginBody& action);
  void carry_out(const smtp::BodyPart& action);
  void carry_out(const smtp::AskCommit& action);
  void carry_out(const smtp::AbortBody& action);
  void carry_out(const smtp::Refused& action);
  void carry_out(const smtp::Close& action);

  // connection_auth.cc
  void carry_out(smtp::AskCredentials& action);
  void carry_out(const smtp::AskScram& action);
  void carry_out(const smtp::AskIdentity& action);
  // Answers for a login that has to wait; false: it may be tried.
  bool put_off(std::string_view user);
  void refuse_login(const policy::LoginGuard::Wait& wait);
  auth::Trial trial_of(const std::string& user);
  // The account of the SCRAM exchange has gone, or has other credentials, since it began.
  [[nodiscard]] bool scram_is_outdated() const;
  // Of a login that is checked on the loop.
  void decide(bool accepted, const std::string& user, std::string_view wrong = kWrongPassword);
  // `wrong`: what a rejected client is told. The guard knows of a failure by then.
  void credentials_checked(auth::Verdict verdict, const std::string& user,
                           std::string_view wrong = kWrongPassword);

  void write(std::string bytes);
  void flush_tls();
  void begin_tls();
  // A part of the text was written, or it was given up.
  void text_advanced();
  void commit();
  void committed(const Receipt& receipt);
  // Reading on or off, timer, removal: the last act of every event; `this` may be gone after it.
  void settle();

  enum class Phase { kOpen, kLingering, kGone };

  static constexpr std::string_view kWrongPassword = "User name or password is wrong";
  // What one client may have unsent before we stop reading from it.
  static constexpr std::size_t kUnsentMax = 256 * 1024;
  // After our last word we read on for so long, so that closing does not reset the connection and
  // take that word with it. Not where many do: others need their descriptors more.
  static constexpr Duration kLinger = Seconds(2);
  static constexpr Duration kHandshakeDeadline = Seconds(30);
  // For a PROXY header, which the balancer sends at once.
  static constexpr Duration kProxyHeaderDeadline = Seconds(5);

  Receiver& receiver_;
  const std::uint64_t id_;
  const Listener& listener_;
  Endpoint peer_;  // the client; behind a load balancer the one that its header names
  Entry entry_;
  std::optional<ProxyHeader> proxy_header_;  // until it is through
  policy::ClientSeats::Seat handshake_;      // while one is in progress
  policy::Seats::Seat lingering_;            // where it may
  smtp::ServerSession session_;
  Intake intake_;
  std::optional<auth::ScramExchange> scram_;  // the one in progress
  std::optional<event::Stream> stream_;
  std::shared_ptr<tls::Engine> tls_;  // not touched while shaking_hands_
  event::Timer timer_;
  event::Descriptor descriptor_;  // until start()
  Phase phase_ = Phase::kOpen;
  bool tls_established_ = false;
  bool shaking_hands_ = false;  // a step of the handshake is made elsewhere; nothing is read
  bool reading_ = true;
  // Since when a commit waits for the text to be written; nullopt: none does.
  std::optional<TimePoint> commit_asked_;
  bool input_ended_ = false;                   // the peer will send nothing more
  TimePoint own_deadline_ = TimePoint::max();  // PROXY header, handshake or lingering
};

}  // namespace postrider::submission
