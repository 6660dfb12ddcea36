#include "relay/delivery/destinations.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "relay/base/ascii.h"

namespace postrider::delivery {

namespace {

policy::Layer base_layer(const Options& options) {
  return {"[delivery]",
          {options.window.connections_max, options.messages_per_connection_max,
           options.recipients_per_transaction_max, options.message_rate, options.connection_rate,
           options.queue_rate}};
}

std::string name_of(const ProviderOptions& provider) {
  return "provider " + provider.name;
}

std::string name_of(const SiteOptions& site) {
  return site.domain.empty() ? "site " + site.mx : "domain " + site.domain;
}

// The names of the hosts whose set is the site, or that of the smart host.
std::vector<std::string_view> hosts_of(const Hop& hop, const dns::Route& route) {
  if (hop.is_smart_host()) return {hop.host};
  return ascii::split(route.site, ',');
}

bool all_fit(const std::vector<std::string>& patterns, const std::vector<std::string_view>& hosts) {
  return std::ranges::all_of(hosts, [&patterns](std::string_view host) {
    return std::ranges::any_of(
        patterns, [host](const std::string& pattern) { return fits_host(pattern, host); });
  });
}

}  // namespace

bool fits_host(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with('.')) return pattern == host;
  return host.size() > pattern.size() && host.ends_with(pattern);
}

Destinations::Destinations(const Options& options) : options_(options) {
  for (const SiteOptions& site : options.sites) {
    if (!site.domain.empty()) by_domain_.emplace(site.domain, &site);
  }
  std::unordered_map<std::string_view, std::vector<policy::ReplyRule>> rules;
  for (const ReplyOptions& reply : options.replies) rules[reply.provider].push_back(reply.rule);
  for (auto& [provider, all] : rules) replies_.emplace(provider, std::move(all));
}

Destination Destinations::find(std::string_view domain, const Hop& hop,
                               const dns::Route& route) const {
  Destination found{hop.is_smart_host() ? hop.site : route.site, nullptr, nullptr};
  const std::vector<std::string_view> hosts = hosts_of(hop, route);
  for (const ProviderOptions& provider : options_.providers) {
    if (!all_fit(provider.mx, hosts)) continue;
    found.provider = &provider;
    break;
  }
  if (const auto own = by_domain_.find(domain); own != by_domain_.end()) {
    found.rule = own->second;
    found.site.append(" for ").append(domain);
    return found;
  }
  for (const SiteOptions& site : options_.sites) {
    if (site.mx.empty() || !all_fit({site.mx}, hosts)) continue;
    found.rule = &site;
    break;
  }
  return found;
}

policy::Limits Destinations::site_limits(const Destination& destination,
                                         const Source& source) const {
  std::vector<policy::Layer> over;
  if (const ProviderOptions* provider = destination.provider) {
    // The rest of what it says is for its sites together.
    const policy::LimitRule& rule = provider->limits;
    over.push_back({name_of(*provider),
                    {.messages_per_connection_max = rule.messages_per_connection_max,
                     .recipients_per_transaction_max = rule.recipients_per_transaction_max,
                     .queue_rate = rule.queue_rate}});
  }
  if (const SiteOptions* rule = destination.rule) over.push_back({name_of(*rule), rule->limits});
  const policy::Layer own{"source " + source.name, source.limits};
  return policy::effective_limits(base_layer(options_), over, &own);
}

const policy::ReplyRules& Destinations::replies(const Destination& destination) const {
  if (destination.provider == nullptr) return no_replies_;
  const auto found = replies_.find(destination.provider->name);
  return found == replies_.end() ? no_replies_ : found->second;
}

policy::Limits Destinations::provider_limits(const ProviderOptions& provider,
                                             const Source& source) const {
  policy::Layer base{name_of(provider),
                     {.connections_max = provider.limits.connections_max,
                      .message_rate = provider.limits.message_rate,
                      .connection_rate = provider.limits.connection_rate}};
  if (base.rule.connections_max == 0) base.rule.connections_max = kNoLimit;
  const policy::Layer own{"source " + source.name, source.limits};
  return policy::effective_limits(base, {}, &own);
}

}  // namespace postrider::delivery
