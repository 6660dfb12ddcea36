// Own addresses: where mail sent to the relay would arrive, so that it can tell an MX record that
// leads back to itself. Thread: any.
#pragma once

#include <vector>

#include "relay/base/ip.h"

namespace postrider::delivery {

// The addresses that sockets bound to `bound` are reached at: an unspecified one stands for all
// addresses of its family that the interfaces have now.
std::vector<Network> own_addresses(const std::vector<IpAddress>& bound);

}  // namespace postrider::delivery
