// Sources: the local addresses that mail is sent from, and which of them a message takes: always
// the same one, its retries too, as long as the pool is the same (greylisting counts that). Nothing
// is stored for it. Thread: immutable.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/id.h"
#include "relay/base/ip.h"
#include "relay/delivery/options.h"

namespace postrider::delivery {

struct Source {
  std::string name;  // "": that of [delivery]
  std::optional<IpAddress> ipv4;
  std::optional<IpAddress> ipv6;
  std::string host_name;  // in EHLO
  unsigned weight = 1;
  std::vector<std::string> tenants;
  policy::LimitRule limits;

  // Where neither is set the system chooses; a family without an address is not used when the
  // other one has one.
  [[nodiscard]] bool can_reach(const IpAddress& ip) const {
    return (!ipv4 && !ipv6) || (ip.is_v4() ? ipv4 : ipv6).has_value();
  }

  [[nodiscard]] const std::optional<IpAddress>& address_for(const IpAddress& ip) const {
    return ip.is_v4() ? ipv4 : ipv6;
  }
};

class Sources {
 public:
  // `host_name`: that of the relay. Without entries in `options` there is the one of [delivery].
  Sources(const Options& options, const std::string& host_name);

  // Those a tenant's mail is spread over: those that name the tenant, else those that name nobody,
  // else that of [delivery]. Never empty; as long-lived as the table.
  [[nodiscard]] std::vector<const Source*> pool(std::string_view tenant) const;
  // By rendezvous hashing: where a source is added or taken away, only its share of the messages
  // moves.
  [[nodiscard]] const Source& choose(std::string_view tenant, const queue::MessageId& id) const;

 private:
  Source general_;
  std::vector<Source> sources_;
};

}  // namespace postrider::delivery
