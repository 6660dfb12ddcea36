#include "relay/policy/admission.h"

#include <algorithm>
#include <utility>

#include "relay/base/check.h"

namespace postrider::policy {

namespace {

constexpr std::size_t kClientOctetsV6 = 8;

ClientLedger::Refusal refuse_client(const IpAddress& client, std::size_t limit) {
  const std::string whose = client.is_v4() ? "your address" : "your network";
  return {{421,
           {4, 7, 0},
           "Too many connections from " + whose + " (" + std::to_string(limit) +
               " open); close some and try again"},
          "client_connections"};
}

ClientLedger::Refusal refuse_all() {
  return {{421, {4, 3, 2}, "Too many connections to this server; try again later"}, "connections"};
}

}  // namespace

bool is_trusted(const AdmissionOptions& options, const IpAddress& client) {
  return std::any_of(options.trusted_networks.begin(), options.trusted_networks.end(),
                     [&](const Network& network) { return network.contains(client); });
}

ClientLedger::Slot::Slot(Slot&& other) noexcept
    : ledger_(std::exchange(other.ledger_, nullptr)), key_(other.key_) {}

ClientLedger::Slot& ClientLedger::Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    give_back();
    ledger_ = std::exchange(other.ledger_, nullptr);
    key_ = other.key_;
  }
  return *this;
}

ClientLedger::Slot::~Slot() {
  give_back();
}

void ClientLedger::Slot::give_back() {
  if (ledger_ != nullptr) std::exchange(ledger_, nullptr)->give_back(key_);
}

ClientLedger::ClientLedger(const AdmissionOptions& options) : options_(options) {}

IpAddress client_network(const IpAddress& client) {
  if (client.is_v4()) return client;
  std::string bytes(client.bytes());
  std::fill(bytes.begin() + kClientOctetsV6, bytes.end(), '\0');
  return IpAddress::from_bytes(bytes).value_or(client);
}

ClientLedger::Verdict ClientLedger::admit(const IpAddress& client) {
  const IpAddress key = client_network(client);
  Verdict verdict;
  auto counts = counts_.lock();
  if (counts->total >= options_.connections_max) {
    verdict.refusal = refuse_all();
    return verdict;
  }
  const auto found = counts->by_client.find(key);
  const std::size_t open_now = found == counts->by_client.end() ? 0 : found->second;
  if (open_now >= options_.connections_per_client_max) {
    verdict.refusal = refuse_client(client, open_now);
    return verdict;
  }
  ++counts->by_client[key];
  ++counts->total;
  verdict.slot = Slot(this, key);
  return verdict;
}

void ClientLedger::give_back(const IpAddress& key) {
  auto counts = counts_.lock();
  const auto found = counts->by_client.find(key);
  PR_CHECK(found != counts->by_client.end() && counts->total > 0, "slot given back twice");
  if (--found->second == 0) counts->by_client.erase(found);
  --counts->total;
}

std::size_t ClientLedger::open() const {
  return counts_.lock()->total;
}

}  // namespace postrider::policy
