#include "relay/policy/tenant_weights.h"

#include "relay/base/ascii.h"
#include "relay/message/envelope.h"
#include "relay/policy/fair_turns.h"

namespace postrider::policy {

Result<std::pair<std::string, unsigned>> parse_tenant_weight(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const std::string_view tenant = text.substr(0, colon);
  if (colon == std::string_view::npos || !message::is_label(tenant)) {
    return failure("expected a tenant and its weight, like \"shop:3\"");
  }
  constexpr unsigned kMax = FairTurns<std::string>::kWeightMax;
  const auto weight = ascii::parse_u64(text.substr(colon + 1));
  if (!weight || *weight < 1 || *weight > kMax) {
    return failure("the weight of '" + std::string(tenant) + "' must be 1 to " +
                   std::to_string(kMax));
  }
  return std::pair(std::string(tenant), static_cast<unsigned>(*weight));
}

TenantWeights parse_tenant_weights(const std::vector<std::string>& texts) {
  TenantWeights weights;
  for (const std::string& text : texts) {
    if (auto parsed = parse_tenant_weight(text)) weights.insert(*std::move(parsed));
  }
  return weights;
}

}  // namespace postrider::policy
