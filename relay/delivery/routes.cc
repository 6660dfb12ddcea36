#include "relay/delivery/routes.h"

#include <array>
#include <utility>

#include "relay/base/ascii.h"
#include "relay/base/ip.h"

namespace postrider::delivery {

namespace {

// In the names of sites, by LoginMechanism.
constexpr std::array<std::string_view, 4> kMechanismMarks = {"", " by scram-sha-256", " by plain",
                                                             " by login"};

}  // namespace

Hop mail_hosts(const Options& options, std::shared_ptr<const tls::Context> context) {
  Hop hop;
  hop.port = options.port;
  hop.tls = options.tls;
  hop.context = std::move(context);
  return hop;
}

Hop smart_host(const RouteOptions& options, std::string password,
               std::shared_ptr<const tls::Context> context) {
  Hop hop;
  hop.host = ascii::lower(options.host);
  hop.port = options.port;
  if (options.host.starts_with(kSocketPrefix)) {
    hop.host = options.host;
    hop.path = options.host.substr(kSocketPrefix.size());
    hop.port = 0;
  } else if (const auto ip = IpAddress::parse(options.host)) {
    hop.host = (ip->is_v4() ? "[" : "[IPv6:") + ip->to_string() + "]";
  }
  hop.route = "domain " + options.domain;
  if (!options.tenant.empty()) hop.route = "tenant " + options.tenant + ", " + hop.route;
  hop.protocol = options.protocol;
  hop.tls = options.tls;
  hop.implicit_tls = options.implicit_tls;
  hop.context = std::move(context);
  // What tells connections apart that must not be shared.
  hop.site = hop.host;
  if (hop.path.empty()) hop.site += ":" + std::to_string(hop.port);
  hop.site += " " + std::string(name_of(hop.tls));
  if (hop.protocol == smtp::Protocol::kLmtp) hop.site += " lmtp";
  if (!options.user.empty()) {
    hop.site += " " + options.user;
    hop.site += kMechanismMarks.at(static_cast<std::size_t>(options.mechanism));
    hop.login = smtp::ClientLogin{options.user, std::move(password), options.mechanism};
  }
  return hop;
}

void Routes::add(std::string_view domain, std::string_view tenant, Hop hop) {
  Table& table = tenant.empty() ? general_ : by_tenant_[std::string(tenant)];
  table.emplace(ascii::lower(domain), std::move(hop));
}

const Hop& Routes::find(std::string_view domain, std::string_view tenant) const {
  if (!by_tenant_.empty()) {
    const auto own = by_tenant_.find(std::string(tenant));
    const Hop* hop = own != by_tenant_.end() ? nearest(own->second, domain) : nullptr;
    if (hop != nullptr) return *hop;
  }
  const Hop* hop = nearest(general_, domain);
  return hop != nullptr ? *hop : mail_hosts_;
}

// Null: no entry is for this domain.
const Hop* Routes::nearest(const Table& table, std::string_view domain) {
  if (table.empty()) return nullptr;
  const auto found = table.find(std::string(domain));
  if (found != table.end()) return &found->second;
  // An address literal has no parents.
  const bool has_parents = !domain.starts_with('[');
  for (std::size_t dot = domain.find('.'); has_parents && dot != std::string_view::npos;
       dot = domain.find('.', dot + 1)) {
    const auto parent = table.find(std::string(domain.substr(dot)));
    if (parent != table.end()) return &parent->second;
  }
  const auto all = table.find("*");
  return all != table.end() ? &all->second : nullptr;
}

}  // namespace postrider::delivery
