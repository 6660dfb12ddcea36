// Routes: which next hop a tenant's mail for a domain takes, and how it is spoken to: the domain's
// own mail hosts, or a smart host, which may be a mail store that speaks LMTP. Thread: immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "relay/delivery/options.h"
#include "relay/policy/tls_demand.h"
#include "relay/smtp/client_session.h"
#include "relay/tls/context.h"

namespace postrider::delivery {

struct Hop {
  // Of a smart host: a name, or an address literal, or kSocketPrefix and a path; "": the mail hosts
  // of the domain itself.
  std::string host;
  // Of a socket of this machine; "": it has addresses.
  std::string path;
  // Of a smart host: the site its mail waits at.
  std::string site;
  // The route that names it: "domain *" or "tenant shop, domain *".
  std::string route;
  std::uint16_t port = 25;
  smtp::Protocol protocol = smtp::Protocol::kSmtp;
  policy::TlsLevel tls = policy::TlsLevel::kMay;
  // The connection begins with TLS (RFC 8314); only with level encrypt or verify.
  bool implicit_tls = false;
  std::optional<smtp::ClientLogin> login;
  std::shared_ptr<const tls::Context> context;  // of the policy class of `tls`

  // Chosen by an operator: the guard against special and own addresses is for what the DNS says.
  [[nodiscard]] bool is_smart_host() const { return !host.empty(); }
};

// To the mail hosts of the domains themselves.
Hop mail_hosts(const Options& options, std::shared_ptr<const tls::Context> context);
// As `options` say; its password is given, wherever it came from.
Hop smart_host(const RouteOptions& options, std::string password,
               std::shared_ptr<const tls::Context> context);

class Routes {
 public:
  explicit Routes(Hop mail_hosts) : mail_hosts_(std::move(mail_hosts)) {}

  // `domain` and `tenant` as RouteOptions has them. The first one for both counts.
  void add(std::string_view domain, std::string_view tenant, Hop hop);
  // Of the nearest entry among those of the tenant, or where it has none for this domain, among
  // those for all: the domain's own, the longest of its parents', that for every domain. As
  // long-lived as the table, once nothing is added.
  [[nodiscard]] const Hop& find(std::string_view domain, std::string_view tenant) const;

  [[nodiscard]] const Hop& mail_hosts() const { return mail_hosts_; }

 private:
  using Table = std::unordered_map<std::string, Hop>;  // by domain

  static const Hop* nearest(const Table& table, std::string_view domain);

  Hop mail_hosts_;
  Table general_;
  std::unordered_map<std::string, Table> by_tenant_;
};

}  // namespace postrider::delivery
