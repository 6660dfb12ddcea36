// Destinations: which site the mail of a domain waits at, which provider that belongs to, and what
// it may be given: the one place where the rules are matched and laid over each other. Thread:
// immutable.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>

#include "dns/resolver.h"
#include "relay/delivery/options.h"
#include "relay/delivery/routes.h"
#include "relay/delivery/sources.h"
#include "relay/policy/limits.h"
#include "relay/policy/reply_rules.h"

namespace postrider::delivery {

struct Destination {
  std::string site;                           // its name, as in journal and log
  const ProviderOptions* provider = nullptr;  // null: none
  const SiteOptions* rule = nullptr;

  // Whose hash names the worker that owns the site: a provider's sites have one owner, so that what
  // they may have together is exact without locks.
  [[nodiscard]] const std::string& owner() const { return provider ? provider->name : site; }

  bool operator==(const Destination&) const = default;
};

// Whether the pattern of a rule, "mx.example.net" or ".example.net", fits the name of a host.
bool fits_host(std::string_view pattern, std::string_view host);

class Destinations {
 public:
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

  // `options` outlive it.
  explicit Destinations(const Options& options);

  // Of a domain whose route was found.
  [[nodiscard]] Destination find(std::string_view domain, const Hop& hop,
                                 const dns::Route& route) const;

  // What a site may be given from a source.
  [[nodiscard]] policy::Limits site_limits(const Destination& destination,
                                           const Source& source) const;
  // What the sites of its provider may be given together from a source: connections (or kNoLimit),
  // message rate and connection rate. The rest is of no account.
  [[nodiscard]] policy::Limits provider_limits(const ProviderOptions& provider,
                                               const Source& source) const;
  // What the replies of a site mean.
  [[nodiscard]] const policy::ReplyRules& replies(const Destination& destination) const;

 private:
  const Options& options_;
  std::unordered_map<std::string_view, const SiteOptions*> by_domain_;
  std::unordered_map<std::string_view, policy::ReplyRules> replies_;  // by provider
  policy::ReplyRules no_replies_;
};

}  // namespace postrider::delivery
