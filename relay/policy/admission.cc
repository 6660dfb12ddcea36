#include "relay/policy/admission.h"

#include <algorithm>
#include <utility>

#include "relay/base/check.h"

namespace postrider::policy {

namespace {

constexpr unsigned kClientBitsV6 = 64;

ClientLedger::Refusal refuse_some(const std::string& whose, std::size_t open,
                                  std::string_view reason) {
  return {{421,
           {4, 7, 0},
           "Too many connections from " + whose + " (" + std::to_string(open) +
               " open); close some and try again"},
          reason};
}

ClientLedger::Refusal refuse_all() {
  return {{421, {4, 3, 2}, "Too many connections to this server; try again later"}, "connections"};
}

// The network of `bits` that the address is in.
Network network_around(const IpAddress& ip, unsigned bits) {
  std::string bytes(ip.bytes());
  for (unsigned at = bits; at < bytes.size() * 8; ++at) {
    bytes[at / 8] = static_cast<char>(bytes[at / 8] & ~(0x80U >> at % 8));
  }
  return {IpAddress::from_bytes(bytes).value_or(ip), bits};
}

std::size_t count_of(const std::map<IpAddress, std::size_t>& tally, const IpAddress& key) {
  const auto found = tally.find(key);
  return found == tally.end() ? 0 : found->second;
}

void take_one(std::map<IpAddress, std::size_t>& tally, const IpAddress& key) {
  const auto found = tally.find(key);
  PR_CHECK(found != tally.end(), "slot given back twice");
  if (--found->second == 0) tally.erase(found);
}

}  // namespace

bool is_trusted(const AdmissionOptions& options, const IpAddress& client) {
  return std::any_of(options.trusted_networks.begin(), options.trusted_networks.end(),
                     [&](const Network& network) { return network.contains(client); });
}

ClientLedger::Slot::Slot(Slot&& other) noexcept
    : ledger_(std::exchange(other.ledger_, nullptr)), client_(other.client_) {}

ClientLedger::Slot& ClientLedger::Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    give_back();
    ledger_ = std::exchange(other.ledger_, nullptr);
    client_ = other.client_;
  }
  return *this;
}

ClientLedger::Slot::~Slot() {
  give_back();
}

void ClientLedger::Slot::give_back() {
  if (ledger_ != nullptr) std::exchange(ledger_, nullptr)->give_back(client_);
}

ClientLedger::ClientLedger(const AdmissionOptions& options) : options_(options) {}

IpAddress client_network(const IpAddress& client) {
  return client.is_v4() ? client : network_around(client, kClientBitsV6).base;
}

Network ClientLedger::network_of(const IpAddress& client) const {
  return network_around(
      client, client.is_v4() ? options_.network_prefix_ipv4 : options_.network_prefix_ipv6);
}

std::optional<ClientLedger::Refusal> ClientLedger::refusal(const Counts& counts,
                                                           const IpAddress& client) const {
  if (counts.total >= options_.connections_max) return refuse_all();
  const Network network = network_of(client);
  const std::size_t of_client = count_of(counts.by_client, client_network(client));
  const std::size_t of_network = count_of(counts.by_network, network.base);
  if (of_client >= options_.connections_per_client_max) {
    return refuse_some(client.is_v4() ? "your address" : "your network", of_client,
                       "client_connections");
  }
  if (of_network >= options_.connections_per_network_max) {
    return refuse_some(network.to_string(), of_network, "network_connections");
  }
  return std::nullopt;
}

ClientLedger::Verdict ClientLedger::admit(const IpAddress& client) {
  Verdict verdict;
  auto counts = counts_.lock();
  verdict.refusal = refusal(*counts, client);
  if (verdict.refusal) return verdict;
  ++counts->by_client[client_network(client)];
  ++counts->by_network[network_of(client).base];
  ++counts->total;
  verdict.slot = Slot(this, client);
  return verdict;
}

void ClientLedger::give_back(const IpAddress& client) {
  auto counts = counts_.lock();
  PR_CHECK(counts->total > 0, "slot given back twice");
  take_one(counts->by_client, client_network(client));
  take_one(counts->by_network, network_of(client).base);
  --counts->total;
}

std::size_t ClientLedger::open() const {
  return counts_.lock()->total;
}

}  // namespace postrider::policy
