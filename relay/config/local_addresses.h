// Local addresses: whether mail can be sent from the configured ones. Private to `check` and start.
// Thread: any.
#pragma once

#include <vector>

#include "relay/config/config.h"

namespace postrider::config {

// A problem for each address of delivery.source_ipv4, delivery.source_ipv6 and [[source]] that is
// not one of this machine; `where` is the option's name, as in Lines.
std::vector<Problem> check_local_addresses(const Config& config);

}  // namespace postrider::config
