// Limits: what a destination may be given, put together from the layers that have a say: the
// default, the rule of a provider, that of a site or a domain, that of the source. Each value
// remembers which layer it came from. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "relay/policy/rate_limit.h"

namespace postrider::policy {

// What one layer says; 0 and nullopt: nothing.
struct LimitRule {
  // Connections at a time.
  std::size_t connections_max = 0;
  // A connection carries so many messages, then it quits.
  unsigned messages_per_connection_max = 0;
  // More recipients of one message go in further transactions.
  unsigned recipients_per_transaction_max = 0;
  // Transactions begun, connections tried, and transactions of one queue (of one domain, tenant,
  // campaign and band).
  std::optional<Rate> message_rate;
  std::optional<Rate> connection_rate;
  std::optional<Rate> queue_rate;
};

struct Layer {
  std::string from;  // as `explain` shows it: "[delivery]", "provider google"
  LimitRule rule;
};

template <class T>
struct Sourced {
  T value{};
  std::string from;
};

struct Limits {
  Sourced<std::size_t> connections_max;
  Sourced<unsigned> messages_per_connection_max;
  Sourced<unsigned> recipients_per_transaction_max;
  Sourced<Rate> message_rate;
  Sourced<Rate> connection_rate;
  Sourced<Rate> queue_rate;
};

// `base` says everything. Each of `over`, from the general to the special, replaces what it has a
// say on; `lowering` (null: none) counts where it is lower than that.
Limits effective_limits(const Layer& base, std::span<const Layer> over, const Layer* lowering);

}  // namespace postrider::policy
