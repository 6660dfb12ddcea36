#include "relay/submission/gate.h"

#include <utility>

#include "relay/base/log.h"
#include "relay/submission/receiver.h"

namespace postrider::submission {

using message::Status;

Entry Gate::admit(const Endpoint& client, const Listener& listener) {
  if (listener.options.mode == smtp::ListenerMode::kTrusted &&
      !policy::is_trusted(options_, client.ip)) {
    return refuse(client, "untrusted",
                  {554, {5, 7, 1}, "Your address is not in the trusted networks"});
  }
  policy::Seats::Seat seat = listener.seats.take();
  if (!seat) {
    return refuse(client, "listener_connections",
                  {421,
                   {4, 3, 2},
                   "Too many connections to this listener (" +
                       std::to_string(listener.seats.max()) + "); try again later"});
  }
  auto verdict = ledger_.admit(client.ip);
  if (verdict.refusal) {
    return refuse(client, verdict.refusal->reason, std::move(verdict.refusal->status));
  }
  listener.accepted.add();
  return {std::move(*verdict.slot), std::move(seat), std::nullopt};
}

Entry Gate::admit_unnamed(const Endpoint& balancer, const Listener& listener) {
  if (listener.options.mode != smtp::ListenerMode::kTrusted) return admit(balancer, listener);
  return refuse(balancer, "untrusted",
                {554, {5, 7, 1}, "The load balancer does not say who you are"});
}

Entry Gate::refuse(const Endpoint& client, std::string_view reason, Status status) {
  note_refusal(client.to_string(), reason, status.to_line());
  return {{}, nullptr, std::move(status)};
}

void Gate::note_refusal(std::string_view whom, std::string_view reason, std::string_view words) {
  metrics_.counter(metrics::Metric::kConnectionsRefused, reason).add();
  const auto unsaid = bursts_.note(reason, clock_.now());
  if (!unsaid) return;
  log::warning("submission", "connection refused: " + std::string(reason),
               {{"peer", whom}, {"why", words}, {"unsaid_before", *unsaid}});
}

}  // namespace postrider::submission
