#include "relay/submission/acceptor.h"

#include <algorithm>
#include <utility>

namespace postrider::submission {

namespace {

bool is_proxy(const Listener& listener, const IpAddress& peer) {
  const auto& networks = listener.options.proxy_networks;
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return network.contains(peer); });
}

}  // namespace

Acceptor::Acceptor(event::Loop& loop, Shared& shared, std::vector<Receiver*> receivers)
    : loop_(loop), shared_(shared), receivers_(std::move(receivers)) {}

Result<void> Acceptor::serve(event::Descriptor listening, const Listener& listener) {
  auto created = event::Listener::create(
      loop_, std::move(listening),
      [this, &listener](event::Descriptor descriptor, const Endpoint& peer) {
        accept(std::move(descriptor), peer, listener);
      },
      [this, &listener] { note_exhaustion(listener); });
  if (!created) return failure(created.error());
  listeners_.push_back(std::move(*created));
  return {};
}

void Acceptor::accept(event::Descriptor descriptor, const Endpoint& peer,
                      const Listener& listener) {
  Accepted accepted{std::move(descriptor), peer, &listener};
  accepted.proxied = is_proxy(listener, peer.ip);
  if (!accepted.proxied) accepted.entry = shared_.gate.admit(peer, listener);
  const bool has_entry = !accepted.proxied && !accepted.entry.refusal;
  const std::size_t open_max = shared_.options.admission.connections_max + kWithoutEntryMax;
  if (!has_entry && sessions() >= open_max) {
    if (accepted.proxied) {
      shared_.gate.note_refusal(peer.to_string(), "connections", "no room to read a PROXY header");
    }
    return;
  }
  least_loaded().adopt(std::move(accepted));
}

void Acceptor::note_exhaustion(const Listener& listener) {
  shared_.gate.note_refusal("a client of " + listener.options.address.to_string(), "descriptors",
                            "out of file descriptors; raise the limit (LimitNOFILE)");
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
