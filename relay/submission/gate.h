// Gate: whether a client may come in, by its address: trusted networks, and the connections of one
// client, of its network, of the listener and in all. What it refuses is counted, and logged once a
// burst.
//
// Thread: any.
#pragma once

#include <optional>
#include <string_view>

#include "metrics/metrics.h"
#include "relay/base/clock.h"
#include "relay/base/ip.h"
#include "relay/message/status.h"
#include "relay/policy/admission.h"
#include "relay/policy/bursts.h"
#include "relay/policy/seats.h"

namespace postrider::submission {

struct Listener;

// Either the places a client takes while it is there, or what it is told instead.
struct Entry {
  policy::ClientLedger::Slot slot;
  policy::Seats::Seat seat;  // of the listener
  std::optional<message::Status> refusal;
};

class Gate {
 public:
  // Everything referred to outlives the gate, and the gate its entries.
  Gate(const policy::AdmissionOptions& options, metrics::Registry& metrics, const Clock& clock)
      : options_(options), metrics_(metrics), clock_(clock), ledger_(options) {}

  Entry admit(const Endpoint& client, const Listener& listener);
  // A client whom its load balancer does not name: a stranger to a trusted listener, whoever the
  // balancer is. To the others it is the balancer.
  Entry admit_unnamed(const Endpoint& balancer, const Listener& listener);

  // Counts a connection that was refused, and logs it. `reason` is a static label, `words` say it.
  void note_refusal(std::string_view whom, std::string_view reason, std::string_view words);

  // Connections that have an entry.
  [[nodiscard]] std::size_t open() const { return ledger_.open(); }

 private:
  Entry refuse(const Endpoint& client, std::string_view reason, message::Status status);

  const policy::AdmissionOptions& options_;
  metrics::Registry& metrics_;
  const Clock& clock_;
  policy::ClientLedger ledger_;
  policy::Bursts bursts_;
};

}  // namespace postrider::submission
