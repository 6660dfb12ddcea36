// Admission: who may connect, and how many at once. Pure functions of facts, and a ledger of
// counts. Thread: ClientLedger any (one mutex); functions pure.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/guarded.h"
#include "relay/base/ip.h"
#include "relay/message/address.h"
#include "relay/message/status.h"

namespace postrider::policy {

struct AdmissionOptions {
  // Who may send on trusted listeners; nobody else may connect there.
  std::vector<Network> trusted_networks;
  // Connections open at one time: from one address (IPv6: from one /64), from one network, and in
  // all.
  std::size_t connections_per_client_max = 100;
  std::size_t connections_per_network_max = 1'000;
  std::size_t connections_max = 10'000;
  // How many leading bits of an address name its network.
  unsigned network_prefix_ipv4 = 24;
  unsigned network_prefix_ipv6 = 48;
};

bool is_trusted(const AdmissionOptions& options, const IpAddress& client);

// What counts as one client: an IPv4 address, or the /64 of an IPv6 one, among whose addresses a
// host chooses as it likes.
IpAddress client_network(const IpAddress& client);

// Counts open connections by client and by network. A slot is given back when it is destroyed; the
// ledger outlives its slots, and `options` the ledger.
class ClientLedger {
 public:
  explicit ClientLedger(const AdmissionOptions& options);

  class Slot {
   public:
    Slot() = default;
    Slot(Slot&& other) noexcept;
    Slot& operator=(Slot&& other) noexcept;
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot();

   private:
    friend class ClientLedger;

    Slot(ClientLedger* ledger, const IpAddress& client) : ledger_(ledger), client_(client) {}

    void give_back();

    ClientLedger* ledger_ = nullptr;  // null: holds nothing
    IpAddress client_;
  };

  // A slot, or the 421 to give and the bounded label of the reason.
  struct Refusal {
    message::Status status;
    // "client_connections", "network_connections" or "connections"; static storage
    std::string_view reason;
  };

  // Exactly one of slot and refusal.
  struct Verdict {
    std::optional<Slot> slot;
    std::optional<Refusal> refusal;
  };

  Verdict admit(const IpAddress& client);
  [[nodiscard]] std::size_t open() const;

 private:
  using Tally = std::map<IpAddress, std::size_t>;

  struct Counts {
    Tally by_client;
    Tally by_network;
    std::size_t total = 0;
  };

  [[nodiscard]] Network network_of(const IpAddress& client) const;
  [[nodiscard]] std::optional<Refusal> refusal(const Counts& counts, const IpAddress& client) const;
  void give_back(const IpAddress& client);

  const AdmissionOptions& options_;
  mutable Guarded<Counts> counts_;
};

}  // namespace postrider::policy
