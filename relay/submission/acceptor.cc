#include "relay/submission/acceptor.h"

#include <algorithm>
#include <utility>

#include "relay/base/log.h"

namespace postrider::submission {

using message::Status;
using metrics::Metric;

Acceptor::Acceptor(event::Loop& loop, const Options& options, metrics::Registry& metrics,
                   policy::ClientLedger& ledger, std::vector<Receiver*> receivers)
    : loop_(loop),
      options_(options),
      metrics_(metrics),
      receivers_(std::move(receivers)),
      ledger_(ledger) {}

Result<void> Acceptor::serve(event::Descriptor listening, const Listener& listener) {
  auto created = event::Listener::create(
      loop_, std::move(listening),
      [this, &listener](event::Descriptor descriptor, const Endpoint& peer) {
        accept(std::move(descriptor), peer, listener);
      },
      [this] {
        metrics_.counter(Metric::kConnectionsRefused, "descriptors").add();
        log::error("submission", "out of file descriptors; raise the limit (LimitNOFILE)");
      });
  if (!created) return failure(created.error());
  listeners_.push_back(std::move(*created));
  return {};
}

void Acceptor::accept(event::Descriptor descriptor, const Endpoint& peer,
                      const Listener& listener) {
  if (listener.options.mode == smtp::ListenerMode::kTrusted &&
      !policy::is_trusted(options_.admission, peer.ip)) {
    return refuse(std::move(descriptor), peer, listener,
                  Status{554, {5, 7, 1}, "Your address is not in the trusted networks"},
                  "untrusted");
  }
  auto verdict = ledger_.admit(peer.ip);
  if (verdict.refusal) {
    return refuse(std::move(descriptor), peer, listener, std::move(verdict.refusal->status),
                  verdict.refusal->reason);
  }
  listener.accepted.add();
  least_loaded().adopt(
      {std::move(descriptor), peer, &listener, std::move(*verdict.slot), std::nullopt});
}

void Acceptor::refuse(event::Descriptor descriptor, const Endpoint& peer, const Listener& listener,
                      Status status, std::string_view reason) {
  metrics_.counter(Metric::kConnectionsRefused, reason).add();
  log::warning("submission", "connection refused",
               {{"peer", peer.to_string()}, {"reason", reason}, {"reply", status.to_line()}});
  if (sessions() >= options_.admission.connections_max + kRefusalsMax) return;
  least_loaded().adopt({std::move(descriptor), peer, &listener, {}, std::move(status)});
}

std::size_t Acceptor::sessions() const {
  std::size_t open = 0;
  for (const Receiver* receiver : receivers_) open += receiver->sessions();
  return open;
}

Receiver& Acceptor::least_loaded() const {
  return **std::ranges::min_element(receivers_, {}, &Receiver::sessions);
}

}  // namespace postrider::submission
