// Explainer: what would become of mail for an address, without sending any: its route, the mail
// hosts, the site and its provider, the sources, what each may give it and by whose rule, and,
// where the relay runs, how things stand.
//
// The answer is made from what delivery itself uses, so that it cannot differ. Thread: any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "relay/base/answers.h"
#include "relay/base/result.h"
#include "relay/delivery/destinations.h"
#include "relay/delivery/health.h"
#include "relay/delivery/options.h"
#include "relay/delivery/routes.h"
#include "relay/delivery/shared.h"
#include "relay/delivery/site.h"
#include "relay/delivery/sources.h"
#include "relay/message/address.h"
#include "relay/message/status.h"

namespace postrider::delivery {

struct ExplainedLimit {
  std::string name;
  std::string value;
  std::string from;
};

struct ExplainedAddress {
  IpAddress ip;
  std::string note;  // why it is not used, or tried last; "" else
};

struct ExplainedHost {
  std::string name;
  std::uint16_t preference = 0;
  std::vector<ExplainedAddress> addresses;
};

struct ExplainedSource {
  std::string name;       // "": that of [delivery]
  std::string addresses;  // "192.0.2.1, 2001:db8::1"; "": the system chooses
  std::string host_name;
  double share = 1;  // of the mail
  std::vector<ExplainedLimit> limits;
  std::vector<ExplainedLimit> provider_limits;  // for all sites of the provider together
  std::optional<SiteState> state;               // nullopt: nothing is remembered, or nothing runs
};

struct Explanation {
  std::string address;
  std::string route;  // "mail hosts of example.org, port 25, TLS may"
  bool authentic = false;
  std::string dns;  // what was wrong with the answers; ""
  // Code 0: mail can be sent; else what it would meet at once.
  message::Status verdict;
  std::vector<ExplainedHost> hosts;
  std::string site;
  std::string provider;
  std::vector<ExplainedSource> sources;
  bool running = false;
};

// What delivery decides with; all of it outlives the explainer.
struct ExplainerParts {
  const Options& options;
  const Routes& routes;
  const Sources& sources;
  const Destinations& destinations;
  const std::vector<Network>& own_addresses;
  dns::Resolver& resolver;
  const Clock& clock;
  const AddressHealth* health = nullptr;  // null: nothing runs
};

// Of a relay that runs.
ExplainerParts parts_of(const Shared& shared);

// Asks the owner of the site how it stands with each of these sources, and calls back from
// anywhere, or never.
using AskSites = std::function<void(Destination, std::vector<const Source*>,
                                    UniqueFunction<void(std::vector<std::optional<SiteState>>)>)>;

class Explainer {
 public:
  // Without `ask_sites` nothing runs.
  explicit Explainer(const ExplainerParts& parts, AskSites ask_sites = {});
  ~Explainer();
  Explainer(const Explainer&) = delete;
  Explainer& operator=(const Explainer&) = delete;

  // Waits for the DNS and the site, for kWait at most. Never on a loop.
  [[nodiscard]] Result<Explanation> explain(const message::Address& address,
                                            const std::string& tenant);
  // Whoever waits gets an error, now and from now on.
  void stop();

  static constexpr Seconds kWait{15};

 private:
  template <class T, class Ask>
  Result<T> wait_for(const Ask& ask, std::string_view what);
  void describe_hosts(Explanation& explanation, const Hop& hop, const dns::Route& route) const;
  [[nodiscard]] ExplainedSource describe_source(const Destination& destination,
                                                const Source& source) const;

  const ExplainerParts parts_;
  const AskSites ask_sites_;
  std::shared_ptr<Answers> answers_;
};

}  // namespace postrider::delivery
