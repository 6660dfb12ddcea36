#include "relay/policy/limits.h"

namespace postrider::policy {

namespace {

enum class How { kReplace, kLower };

template <class Number>
void lay(Sourced<Number>& limit, Number said, const std::string& from, How how) {
  if (said == 0 || (how == How::kLower && said >= limit.value)) return;
  limit = {said, from};
}

void lay(Sourced<Rate>& limit, const std::optional<Rate>& said, const std::string& from, How how) {
  if (!said || (how == How::kLower && !said->is_lower_than(limit.value))) return;
  limit = {*said, from};
}

void lay(Limits& limits, const Layer& layer, How how) {
  const LimitRule& rule = layer.rule;
  lay(limits.connections_max, rule.connections_max, layer.from, how);
  lay(limits.messages_per_connection_max, rule.messages_per_connection_max, layer.from, how);
  lay(limits.recipients_per_transaction_max, rule.recipients_per_transaction_max, layer.from, how);
  lay(limits.message_rate, rule.message_rate, layer.from, how);
  lay(limits.connection_rate, rule.connection_rate, layer.from, how);
  lay(limits.queue_rate, rule.queue_rate, layer.from, how);
}

}  // namespace

Limits effective_limits(const Layer& base, std::span<const Layer> over, const Layer* lowering) {
  Limits limits;
  lay(limits, base, How::kReplace);
  for (const Layer& layer : over) lay(limits, layer, How::kReplace);
  if (lowering != nullptr) lay(limits, *lowering, How::kLower);
  return limits;
}

}  // namespace postrider::policy
