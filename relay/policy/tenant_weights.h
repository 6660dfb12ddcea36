// TenantWeights: which tenants have more than an even share of the turns at a destination, and how
// an option says so. Pure.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "relay/base/result.h"

namespace postrider::policy {

// By tenant; of those that are not named it is 1.
using TenantWeights = std::unordered_map<std::string, unsigned>;

// "shop:3", with a weight of 1 to 1000. Error: what is wrong with it.
Result<std::pair<std::string, unsigned>> parse_tenant_weight(std::string_view text);
// Of texts that parse.
TenantWeights parse_tenant_weights(const std::vector<std::string>& texts);

}  // namespace postrider::policy
