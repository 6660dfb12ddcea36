// What all of delivery uses. Everything referred to outlives the schedulers. Thread: immutable;
// what it refers to, and the health of addresses, are for any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "metrics/metrics.h"
#include "queue/queue.h"
#include "relay/auth/scram_client.h"
#include "relay/base/clock.h"
#include "relay/base/random.h"
#include "relay/delivery/destinations.h"
#include "relay/delivery/health.h"
#include "relay/delivery/meters.h"
#include "relay/delivery/options.h"
#include "relay/delivery/routes.h"
#include "relay/delivery/sources.h"
#include "relay/policy/tenant_weights.h"
#include "relay/tls/context.h"
#include "relay/tls/handshaker.h"

namespace postrider::delivery {

struct Shared {
  const Options& options;
  std::string host_name;  // in EHLO, and as the reporting MTA
  queue::Queue& queue;
  dns::Resolver& resolver;
  const Clock& clock;
  Random& random;
  metrics::Registry& metrics;
  std::shared_ptr<const tls::Context> tls;  // of options.tls's policy class
  // What leads to this relay: an MX record that names one of these is a loop.
  std::vector<Network> own_addresses;
  Routes routes{mail_hosts(options, tls)};
  Meters meters{metrics};
  Sources sources{options, host_name};
  Destinations destinations{options};
  AddressHealth health{};
  AddressHealth tls_health{AddressHealth::kAvoidTlsFor};
  policy::TenantWeights tenant_weights = policy::parse_tenant_weights(options.tenant_weights);
  // Both stopped before the loops go.
  auth::ScramKeyring login_keys{};
  tls::Handshaker handshaker{"tls-out"};
};

}  // namespace postrider::delivery
