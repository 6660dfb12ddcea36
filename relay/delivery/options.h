// Options of the delivery side. Thread: immutable after start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/ip.h"
#include "relay/policy/limits.h"
#include "relay/policy/reply_rules.h"
#include "relay/policy/retry_schedule.h"
#include "relay/policy/tls_demand.h"
#include "relay/policy/window.h"
#include "relay/smtp/client_session.h"

namespace postrider::delivery {

// Where mail goes instead of to the mail hosts of its domain. Those of the message's tenant come
// before those for all; among either the nearest domain counts.
// In front of the path of a socket of this machine, in place of a host.
inline constexpr std::string_view kSocketPrefix = "unix:";

struct RouteOptions {
  // "example.org", ".example.org" for all domains below it, "*" for all that have no other.
  std::string domain;
  std::string tenant;  // whose mail; "": that of all
  // A name, whose addresses are used and no MX records, or an IP address, or "unix:/path".
  std::string host;
  std::uint16_t port = 587;
  smtp::Protocol protocol = smtp::Protocol::kSmtp;
  policy::TlsLevel tls = policy::TlsLevel::kEncrypt;
  bool implicit_tls = false;  // RFC 8314: no STARTTLS, as on port 465
  // A login where `user` is set; the password stands in one of the two.
  std::string user;
  std::string password;
  std::string password_file;
  smtp::LoginMechanism mechanism = smtp::LoginMechanism::kFirst;
};

// A provider of mail boxes, by the names of its mail hosts: a site belongs to it if all of its
// hosts do. Of its limits the connections, the message rate and the connection rate are for all its
// sites together, the others for each of them.
struct ProviderOptions {
  std::string name;
  std::vector<std::string> mx;  // "mx.example.net", ".example.net" for all below it
  policy::LimitRule limits;
  // Replies it gives and what must become of them, as policy::parse_reply_sample reads them. They
  // change nothing: a configuration whose rules judge them otherwise is refused.
  std::vector<std::string> samples;
};

// What a provider's reply means, where that differs from the general policy.
struct ReplyOptions {
  std::string provider;
  policy::ReplyRule rule;
  std::vector<std::string> samples;  // besides those of the provider
};

// What one destination may be given.
struct SiteOptions {
  // One of the two. Of a domain: its mail has connections of its own, even where its hosts serve
  // others too.
  std::string domain;
  std::string mx;  // as ProviderOptions::mx
  policy::LimitRule limits;
};

// Local addresses to send from, and the name that belongs to them. All limits count for each source
// by itself, as destinations judge by address; those of the source itself lower the others.
struct SourceOptions {
  std::string name;
  std::optional<IpAddress> ipv4;
  std::optional<IpAddress> ipv6;
  std::string host_name;  // in EHLO; "": that of the relay
  unsigned weight = 1;    // its share of the mail among the sources of a tenant
  // Whose mail it sends; none: that of all who have no source of their own.
  std::vector<std::string> tenants;
  policy::LimitRule limits;
};

struct Options {
  // The port on which MX hosts are contacted.
  std::uint16_t port = 25;
  // Local addresses to send from; none: the system chooses. A family without a source is not used
  // when the other one has one.
  std::optional<IpAddress> source_ipv4;
  std::optional<IpAddress> source_ipv6;
  policy::TlsLevel tls = policy::TlsLevel::kMay;
  // PEM bundle for level verify; empty: the system's.
  std::string ca_file;
  // To one address; RFC 5321 section 4.5.3.2 leaves it to us.
  Duration connect_timeout = Seconds(30);
  smtp::ClientTimeouts timeouts;
  // Addresses tried for one connection before the site counts as unreachable.
  std::size_t addresses_max = 10;
  // Loopback, private, link-local and other special addresses may be contacted. Off: such an MX
  // bounces.
  bool allow_special_addresses = false;
  // Addresses that lead to this relay besides those its listeners have, such as that of an address
  // translator in front of it.
  std::vector<Network> own_addresses;
  std::vector<RouteOptions> routes;
  policy::RetryOptions retry;
  policy::WindowOptions window;
  // For each site and source, where no rule says otherwise; see policy::LimitRule.
  unsigned messages_per_connection_max = 500;
  unsigned recipients_per_transaction_max = 100;
  policy::Rate message_rate;
  policy::Rate connection_rate;
  policy::Rate queue_rate;
  std::vector<ProviderOptions> providers;
  // Behind them stand those that come with postrider.
  bool known_providers = true;
  std::vector<ReplyOptions> replies;
  std::vector<SiteOptions> sites;
  std::vector<SourceOptions> sources;
  // Shares of the turns at a destination: "shop:3"; 1 for those not named.
  std::vector<std::string> tenant_weights;
  // Where a host offers CHUNKING the text goes by BDAT, not DATA.
  bool chunking = false;
  // An idle connection is kept so long for the next message.
  Duration idle_timeout = Seconds(10);
  // A report returns the whole message where RET=FULL asked for it, up to this size; headers
  // otherwise.
  std::size_t report_full_max = 64U << 10;
};

}  // namespace postrider::delivery
