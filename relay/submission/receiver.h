// Receiver: the SMTP sessions of one worker, and what they share.
//
// Thread: loop-affine, except adopt() and sessions().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "metrics/metrics.h"
#include "queue/queue.h"
#include "relay/auth/authenticator.h"
#include "relay/base/clock.h"
#include "relay/base/guarded.h"
#include "relay/base/ip.h"
#include "relay/event/loop.h"
#include "relay/event/tcp.h"
#include "relay/policy/bursts.h"
#include "relay/policy/client_seats.h"
#include "relay/policy/login_guard.h"
#include "relay/policy/quota.h"
#include "relay/policy/seats.h"
#include "relay/signing/signer.h"
#include "relay/submission/gate.h"
#include "relay/submission/intake.h"
#include "relay/submission/options.h"
#include "relay/submission/text_memory.h"
#include "relay/tls/context.h"
#include "relay/tls/handshaker.h"

namespace postrider::submission {

class Connection;

// One listener as its sessions see it. Thread: immutable once listening, but for `tls` (any).
struct Listener {
  ListenerOptions options;
  smtp::ServerOptions session;
  // What the next handshake uses; null: no TLS here.
  mutable Guarded<std::shared_ptr<const tls::Context>> tls;
  metrics::Counter accepted;
  metrics::Gauge open;
  mutable policy::Seats seats{options.connections_max};
};

// What signing counts.
struct SigningMeters {
  explicit SigningMeters(metrics::Registry& registry);

  metrics::Counter rsa;
  metrics::Counter ed25519;
  metrics::Counter failed;
  metrics::Counter busy;
  metrics::Histogram seconds;  // from the intake to the signed message
};

// Of the descriptors that this process may open, those that may belong to connections that are
// over: an eighth, and at least one.
std::size_t lingering_connections_max();

// What all workers' sessions use. Everything referred to outlives the receivers.
struct Shared {
  const Options& options;
  queue::Queue& queue;
  auth::Authenticator& authenticator;
  signing::Signer& signer;
  const Clock& clock;
  metrics::Registry& metrics;
  Milliseconds message_lifetime{};
  TextMemory texts{options.bodies_in_flight_max, bodies_in_flight_per_client(options)};
  Gate gate{options.admission, metrics, clock};
  policy::ClientSeats handshakes{options.handshakes_max};
  // Password checks that wait or are made: of clients that have lately logged in as that user,
  // which come first, and of the others.
  policy::ClientSeats known_logins{authenticator.places()};
  policy::ClientSeats logins{authenticator.places()};
  tls::Handshaker handshaker{"tls-in"};  // stopped before the loops go
  policy::Bursts refusals;               // of replies, by reason
  // Connections that are over and wait for their client to close.
  std::size_t lingering_max = lingering_connections_max();
  policy::Seats lingering{lingering_max};
  policy::LoginGuard login_guard{options.login_guard};
  policy::QuotaLedger quota;
  SigningMeters signing_meters{metrics};
  metrics::Histogram text_part_seconds{metrics.histogram(metrics::Metric::kTextPartSeconds)};
};

// A connection on its way from the acceptor to a worker.
struct Accepted {
  event::Descriptor descriptor;
  Endpoint peer;
  const Listener* listener = nullptr;
  // With a refusal: say this instead of a greeting, and close.
  Entry entry;
  // The peer is a load balancer: a PROXY header comes first, and then the entry.
  bool proxied = false;
};

class Receiver {
 public:
  Receiver(event::Loop& loop, Shared& shared);
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  // Any thread: the session starts on this receiver's loop.
  void adopt(Accepted accepted);

  // Any thread: open sessions, those on their way here included.
  [[nodiscard]] std::size_t sessions() const { return sessions_.load(std::memory_order_relaxed); }

  // Ends every session at the next moment that loses nothing; `done` runs when the last has gone.
  // Calls on sessions that do not end by themselves are cut by cut_off().
  void shut_down(UniqueFunction<void()> done);
  // Closes what is left, now. Messages without a 250 are the client's again.
  void cut_off();

  // --- for Connection ---
  event::Loop& loop() { return loop_; }

  Shared& shared() { return shared_; }

  // nullptr: the session has ended.
  Connection* find(std::uint64_t id);
  // Destroys it; the caller's last act.
  void remove(std::uint64_t id);

  // Metric handles that every session uses.
  struct Counters {
    metrics::Counter auth_accepted;
    metrics::Counter auth_rejected;
    metrics::Counter auth_busy;
    metrics::Counter auth_backoff;
    metrics::Counter tls_ok;
    metrics::Counter tls_failed;
    metrics::Counter messages;
    metrics::Counter bytes;
    metrics::Counter recipients;
    metrics::Counter future_release;
    metrics::Counter mt_priority;
    metrics::Counter mt_priority_lowered;
    metrics::Histogram submit_seconds;
  };

  const Counters& counters() const { return counters_; }

  // Counts a message that was accepted, also one whose client has gone meanwhile.
  void count(const Receipt& receipt, TimePoint started) const;

 private:
  void start(Accepted accepted);
  void note_if_empty();

  event::Loop& loop_;
  Shared& shared_;
  Counters counters_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::atomic<std::size_t> sessions_{0};
  bool stopping_ = false;
  UniqueFunction<void()> on_empty_;
};

}  // namespace postrider::submission
