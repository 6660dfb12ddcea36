#include "relay/delivery/routes.h"

#include <utility>

#include "relay/base/ascii.h"
#include "relay/base/ip.h"

namespace postrider::delivery {

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
  if (const auto ip = IpAddress::parse(options.host)) {
    hop.host = (ip->is_v4() ? "[" : "[IPv6:") + ip->to_string() + "]";
  }
  hop.port = options.port;
  hop.protocol = options.protocol;
  hop.tls = options.tls;
  hop.implicit_tls = options.implicit_tls;
  hop.context = std::move(context);
  // What tells connections apart that must not be shared.
  hop.site = hop.host + ":" + std::to_string(hop.port) + " " + std::string(name_of(hop.tls));
  if (hop.protocol == smtp::Protocol::kLmtp) hop.site += " lmtp";
  if (!options.user.empty()) {
    hop.site += " " + options.user;
    hop.login = smtp::ClientLogin{options.user, std::move(password)};
  }
  return hop;
}

void Routes::add(std::string_view domain, Hop hop) {
  by_domain_.emplace(ascii::lower(domain), std::move(hop));
}

const Hop& Routes::find(std::string_view domain) const {
  if (by_domain_.empty()) return mail_hosts_;
  const auto found = by_domain_.find(std::string(domain));
  if (found != by_domain_.end()) return found->second;
  // An address literal has no parents.
  const bool has_parents = !domain.starts_with('[');
  for (std::size_t dot = domain.find('.'); has_parents && dot != std::string_view::npos;
       dot = domain.find('.', dot + 1)) {
    const auto parent = by_domain_.find(std::string(domain.substr(dot)));
    if (parent != by_domain_.end()) return parent->second;
  }
  const auto all = by_domain_.find("*");
  return all != by_domain_.end() ? all->second : mail_hosts_;
}

}  // namespace postrider::delivery
