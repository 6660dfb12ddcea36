#include "relay/config/checks.h"

#include <fmt/format.h>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "relay/base/ascii.h"
#include "relay/base/check.h"
#include "relay/config/option_value.h"
#include "relay/config/provider_checks.h"
#include "relay/message/address.h"
#include "relay/policy/tenant_weights.h"

namespace postrider::config {

namespace {

// The first must not be larger than the second.
struct Order {
  std::string_view smaller;
  std::string_view larger;
};

constexpr Order kOrders[] = {
    {"submission.connections_per_client_max", "submission.connections_max"},
    {"submission.header_size_max", "submission.bodies_in_flight_max"},
    {"submission.stream_from", "submission.bodies_in_flight_max"},
    {"submission.bodies_in_flight_per_client_max", "submission.bodies_in_flight_max"},
    {"submission.header_size_max", "queue.commit_waiting_bytes_max"},
    {"submission.message_size_max", "queue.bytes_max"},
    {"auth.backoff_first", "auth.backoff_max"},
    {"delivery.connections_first", "delivery.connections_max"},
    {"delivery.probe_first", "delivery.probe_max"},
    {"retry.first_interval", "retry.interval_max"},
    {"dns.query_timeout", "dns.deadline"},
    {"dns.ttl_min", "dns.ttl_max"},
    {"queue.leases_per_queue_max", "queue.leases_max"},
};

class Checker {
 public:
  Checker(Config& config, const Lines& lines, ProblemList& problems)
      : config_(config), lines_(lines), problems_(problems) {}

  void orders();
  void tls();
  void listeners();
  void users();
  void keys();
  void routes();
  void providers();
  void sites();
  void sources();
  void tenant_weights();
  void allow_senders();
  void admin();

  // Nobody else may have this name, which lives on.
  void take_name(std::string_view name) { user_names_.insert(name); }

  void add(const std::string& name, const std::string& text) { problems_.add(lines_, name, text); }

 private:
  using Listener = submission::ListenerOptions;

  [[nodiscard]] bool is_set(const std::string& name) const { return lines_.contains(name); }

  [[nodiscard]] const Option& option(std::string_view name) const;
  void pair_of_files(const std::string& prefix, const std::string& certificate,
                     const std::string& key);
  void bind(const std::string& name, const Endpoint& endpoint);
  void listener(const std::string& prefix, Listener& listener);
  void user(const std::string& prefix, const auth::User& user);
  void key(const std::string& prefix, signing::KeyOptions& key);
  void route(const std::string& prefix, delivery::RouteOptions& route);
  void socket_of(const std::string& prefix, delivery::RouteOptions& route);
  void login_of(const std::string& prefix, const delivery::RouteOptions& route);
  // `prefix` + ".name", which must be there once in its section.
  void unique_name(const std::string& prefix, const std::string& name,
                   std::set<std::string_view>& names);

  Config& config_;
  const Lines& lines_;
  ProblemList& problems_;
  std::vector<std::pair<std::string, Endpoint>> bound_;  // "listener[0].address", and where
  std::set<std::string_view> user_names_;
  std::set<std::pair<std::string, std::string>> key_places_;  // selector and domain, a tenant's
  std::map<std::pair<std::string, std::string>, std::size_t> keys_of_;  // domain and tenant
  std::set<std::pair<std::string, std::string>> route_places_;          // domain, a tenant's
};

const Option& Checker::option(std::string_view name) const {
  const std::size_t dot = name.find('.');
  const Option* found = find_option(name.substr(0, dot), name.substr(dot + 1));
  PR_CHECK(found != nullptr, name);
  return *found;
}

void Checker::orders() {
  const Record record{&config_};
  for (const Order& order : kOrders) {
    const Option& smaller = option(order.smaller);
    const Option& larger = option(order.larger);
    if (*numeric_value(smaller, record) <= *numeric_value(larger, record)) continue;
    // A default stands in for a bad value; comparing with it would mislead.
    if (problems_.has_bad_value(smaller.name()) || problems_.has_bad_value(larger.name())) continue;
    // The one that the file sets is to blame.
    const bool blame_smaller = is_set(smaller.name());
    const Option& blamed = blame_smaller ? smaller : larger;
    const Option& other = blame_smaller ? larger : smaller;
    add(blamed.name(),
        fmt::format("{} is {} than {}, which is {}", literal(blamed, record),
                    blame_smaller ? "more" : "less", other.name(), literal(other, record)));
  }
}

void Checker::pair_of_files(const std::string& prefix, const std::string& certificate,
                            const std::string& key) {
  if (certificate.empty() == key.empty()) return;
  const std::string present = certificate.empty() ? "key" : "certificate";
  const std::string absent = certificate.empty() ? "certificate" : "key";
  add(prefix + "." + present, fmt::format("set without {}; they go together", absent));
}

void Checker::tls() {
  pair_of_files("tls", config_.tls.certificate_file, config_.tls.key_file);
}

// Binding the second of two such addresses fails.
bool collide(const Endpoint& a, const Endpoint& b) {
  if (a.port == 0 || a.port != b.port || a.ip.is_v4() != b.ip.is_v4()) return false;
  return a.ip == b.ip || a.ip.is_unspecified() || b.ip.is_unspecified();
}

void Checker::bind(const std::string& name, const Endpoint& endpoint) {
  if (problems_.has_bad_value(name)) return;
  for (const auto& [other, taken] : bound_) {
    if (!collide(endpoint, taken)) continue;
    add(name, fmt::format("{} collides with {} of the listener on line {}", endpoint.to_string(),
                          taken.to_string(), lines_.at(other)));
    return;
  }
  bound_.emplace_back(name, endpoint);
}

void Checker::listener(const std::string& prefix, Listener& listener) {
  if (!is_set(prefix + ".address")) {
    add(prefix + ".address", "missing; every [[listener]] needs one, like \"0.0.0.0:587\"");
  } else {
    bind(prefix + ".address", listener.address);
  }
  pair_of_files(prefix, listener.certificate, listener.key);
  const bool has_certificate = !listener.certificate.empty() ||
                               !config_.tls.certificate_file.empty() ||
                               problems_.has_bad_value("tls.certificate") ||
                               problems_.has_bad_value(prefix + ".certificate");
  const bool is_trusted = listener.mode == smtp::ListenerMode::kTrusted;
  if (!is_trusted && !has_certificate) {
    add(prefix + ".mode",
        fmt::format("{} needs a certificate: set certificate and key here or in [tls]",
                    literal(option("listener.mode"), Record{&config_, &listener})));
  }
  if (!listener.client_ca.empty() && is_trusted) {
    add(prefix + ".client_ca", "serves logins, which a trusted listener has none of");
  }
  if (listener.client_certificate_required && listener.client_ca.empty()) {
    add(prefix + ".client_certificate_required", "needs client_ca");
  }
  if (listener.message_size_max > config_.submission.session.message_size_max) {
    add(prefix + ".message_size_max", "more than submission.message_size_max");
  }
  if (is_trusted && config_.submission.admission.trusted_networks.empty() &&
      !problems_.has_bad_value("submission.trusted_networks")) {
    add(prefix + ".mode",
        "\"trusted\" lets nobody in: list the clients in submission.trusted_networks");
  }
}

void Checker::listeners() {
  auto& all = config_.submission.listeners;
  if (all.empty()) {
    add("listener", "missing; without a [[listener]] nobody can hand in mail");
  }
  for (std::size_t i = 0; i < all.size(); ++i) listener(fmt::format("listener[{}]", i), all[i]);
}

void Checker::user(const std::string& prefix, const auth::User& user) {
  if (!is_set(prefix + ".name")) {
    add(prefix + ".name", "missing; every [[user]] needs one");
  } else if (!user_names_.insert(user.name).second) {
    add(prefix + ".name", fmt::format("'{}' is there twice", ascii::printable(user.name, 60)));
  }
  const bool has_hash = is_set(prefix + ".password_hash");
  const bool has_plain = is_set(prefix + ".password");
  if (has_hash && has_plain) {
    add(prefix + ".password", "set beside password_hash; one of the two is enough");
  } else if (!has_hash && !has_plain && user.certificates.empty()) {
    add(prefix + ".password_hash",
        "missing; 'postrider user add' and 'postrider user hash' make one");
  } else if ((has_hash || has_plain) &&
             (has_hash ? user.password_hash : user.plain_password).empty()) {
    add(prefix + (has_hash ? ".password_hash" : ".password"), "must not be empty");
  }
  if (has_plain && !config_.server.allow_plain_passwords) {
    add(prefix + ".password",
        "a plain password needs server.allow_plain_passwords = true; better make a hash with "
        "'postrider user hash'");
  }
}

void Checker::users() {
  const auto& all = config_.auth.users;
  for (std::size_t i = 0; i < all.size(); ++i) user(fmt::format("user[{}]", i), all[i]);
}

void Checker::key(const std::string& prefix, signing::KeyOptions& key) {
  bool complete = true;
  for (const char* name : {".domain", ".selector", ".key"}) {
    if (is_set(prefix + name)) continue;
    add(prefix + name, "missing; every [[dkim]] needs one");
    complete = false;
  }
  // In the form in which the domains of From are compared.
  if (const auto name = message::normalize_domain(key.domain)) key.domain = *name;
  if (!complete) return;
  const std::string place = ascii::lower(key.selector) + "._domainkey." + key.domain;
  if (!key_places_.emplace(place, key.tenant).second) {
    add(prefix + ".selector", fmt::format("{} is there twice; each key needs a selector of its own",
                                          ascii::printable(place, 100)));
  }
  if (++keys_of_[{key.domain, key.tenant}] == signing::kSignaturesMax + 1) {
    add(prefix + ".domain", fmt::format("more than {} keys would sign each message of {}",
                                        signing::kSignaturesMax, key.domain));
  }
}

void Checker::keys() {
  auto& all = config_.signing.keys;
  for (std::size_t i = 0; i < all.size(); ++i) key(fmt::format("dkim[{}]", i), all[i]);
}

void Checker::route(const std::string& prefix, delivery::RouteOptions& route) {
  if (!is_set(prefix + ".domain")) {
    if (!is_set(prefix + ".tenant")) add(prefix + ".domain", "missing, and so is tenant");
    route.domain = "*";
  }
  if (!is_set(prefix + ".host")) add(prefix + ".host", "missing; every [[route]] needs one");
  const bool below = route.domain.starts_with('.');
  // In the form in which the recipients' domains are compared.
  if (const auto name = message::normalize_domain(route.domain.substr(below ? 1 : 0))) {
    route.domain = (below ? "." : "") + *name;
  }
  if (!route.domain.empty() && !route_places_.emplace(route.domain, route.tenant).second) {
    const std::string whose = route.tenant.empty() ? "" : " for tenant '" + route.tenant + "'";
    add(prefix + (is_set(prefix + ".domain") ? ".domain" : ".tenant"),
        fmt::format("'{}' is there twice{}", ascii::printable(route.domain, 60), whose));
  }
  if (route.host.starts_with(delivery::kSocketPrefix)) {
    socket_of(prefix, route);
  } else if (route.protocol == smtp::Protocol::kLmtp && !is_set(prefix + ".port")) {
    add(prefix + ".port", "missing; LMTP has no port of its own, servers often have it on 24");
  } else if (route.protocol == smtp::Protocol::kLmtp && route.port == 25) {
    add(prefix + ".port", "25 is that of SMTP, where LMTP must not be used (RFC 2033)");
  }
  login_of(prefix, route);
}

void Checker::socket_of(const std::string& prefix, delivery::RouteOptions& route) {
  if (route.protocol != smtp::Protocol::kLmtp) {
    add(prefix + ".protocol", "a socket of this machine is for lmtp");
  }
  if (is_set(prefix + ".port")) add(prefix + ".port", "a socket of this machine has none");
  if (!is_set(prefix + ".tls")) route.tls = policy::TlsLevel::kNone;
  if (route.tls != policy::TlsLevel::kNone) {
    add(prefix + ".tls",
        "nobody stands between this machine and a socket of its own; leave it out");
  }
}

void Checker::login_of(const std::string& prefix, const delivery::RouteOptions& route) {
  const bool has_password = !route.password.empty() || !route.password_file.empty();
  if (!route.password.empty() && !route.password_file.empty()) {
    add(prefix + ".password", "set beside password_file; one of the two is enough");
  } else if (route.user.empty() && has_password) {
    add(prefix + ".user", "missing, but there is a password");
  } else if (!route.user.empty() && !has_password) {
    add(prefix + ".user", "needs password or password_file");
  }
  const bool needs_tls =
      route.tls == policy::TlsLevel::kEncrypt || route.tls == policy::TlsLevel::kVerify;
  if (needs_tls) return;
  if (route.implicit_tls) add(prefix + ".implicit_tls", "needs tls = \"encrypt\" or \"verify\"");
  if (!route.user.empty()) {
    add(prefix + ".user", "a login needs tls = \"encrypt\" or \"verify\"");
  }
}

void Checker::routes() {
  auto& all = config_.delivery.routes;
  for (std::size_t i = 0; i < all.size(); ++i) route(fmt::format("route[{}]", i), all[i]);
}

void Checker::unique_name(const std::string& prefix, const std::string& name,
                          std::set<std::string_view>& names) {
  const std::string key = prefix + ".name";
  if (!is_set(key)) {
    add(prefix,
        fmt::format("name is missing; every [[{}]] needs one", prefix.substr(0, prefix.find('['))));
  } else if (!name.empty() && !names.insert(name).second) {
    add(key, fmt::format("'{}' is there twice", ascii::printable(name, 60)));
  }
}

void Checker::providers() {
  auto& all = config_.delivery.providers;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string prefix = fmt::format("provider[{}]", i);
    if (!is_set(prefix)) break;  // from here on they come with postrider
    unique_name(prefix, all[i].name, names);
    if (all[i].mx.empty()) {
      add(prefix + ".mx", "missing; say by which mail hosts the provider is known");
    }
    for (std::string& mx : all[i].mx) mx = ascii::lower(mx);
  }
}

void Checker::sites() {
  auto& all = config_.delivery.sites;
  std::set<std::pair<std::string, std::string>> seen;
  for (std::size_t i = 0; i < all.size(); ++i) {
    delivery::SiteOptions& site = all[i];
    const std::string prefix = fmt::format("site[{}]", i);
    if (site.domain.empty() == site.mx.empty()) {
      add(prefix, site.mx.empty() ? "needs domain or mx" : "has domain and mx; one is enough");
    }
    // In the form in which the recipients' domains are compared.
    if (auto name = message::normalize_domain(site.domain)) site.domain = *std::move(name);
    site.mx = ascii::lower(site.mx);
    if (!seen.emplace(site.domain, site.mx).second) {
      add(prefix + (site.mx.empty() ? ".domain" : ".mx"),
          fmt::format("'{}' is there twice", ascii::printable(site.domain + site.mx, 60)));
    }
  }
}

void Checker::sources() {
  const auto& all = config_.delivery.sources;
  std::set<std::string_view> names;
  std::set<IpAddress> addresses;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string prefix = fmt::format("source[{}]", i);
    unique_name(prefix, all[i].name, names);
    if (!all[i].ipv4 && !all[i].ipv6) add(prefix, "needs ipv4 or ipv6");
    for (const auto& address : {all[i].ipv4, all[i].ipv6}) {
      if (!address || addresses.insert(*address).second) continue;
      // Destinations judge by address, and limits are kept by source.
      add(prefix + (address->is_v4() ? ".ipv4" : ".ipv6"),
          fmt::format("{} belongs to another source already", address->to_string()));
    }
  }
}

void Checker::tenant_weights() {
  std::set<std::string> names;
  for (const std::string& text : config_.delivery.tenant_weights) {
    const auto weight = policy::parse_tenant_weight(text);
    if (!weight || names.insert(weight->first).second) continue;
    add("delivery.tenant_weights",
        fmt::format("'{}' is there twice", ascii::printable(weight->first, 60)));
  }
}

// For demos and tests; users of auth.users_file are denied what is not allowed.
void Checker::allow_senders() {
  auto& all = config_.auth.users;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!is_set(fmt::format("user[{}].senders", i))) all[i].senders = {"*"};
  }
}

void Checker::admin() {
  const admin::Options& admin = config_.admin;
  if (!admin.enabled) return;
  if (!admin.address.ip.is_loopback() && admin.token.empty()) {
    add("admin.address", fmt::format("{} is no loopback address, so admin.token must be set",
                                     admin.address.to_string()));
  }
  bind("admin.address", admin.address);
}

}  // namespace

void finish(Config& config, const Lines& lines, const HostNameSource& host_name,
            ProblemList& problems) {
  Checker checker(config, lines, problems);
  if (config.server.host_name.empty() && !problems.has_bad_value("server.host_name")) {
    if (auto name = host_name()) {
      config.server.host_name = std::move(*name);
    } else {
      checker.add("server.host_name", "missing, and " + name.error().text());
    }
  }
  config.submission.session.host_name = config.server.host_name;
  config.store.directory = config.server.data_dir + "/queue";
  checker.orders();
  checker.tls();
  checker.listeners();
  checker.users();
  checker.keys();
  checker.routes();
  checker.providers();
  check_providers(config.delivery, lines, problems);
  checker.sites();
  checker.sources();
  checker.tenant_weights();
  checker.allow_senders();
  checker.admin();
}

void check_users(Config& config, const std::vector<auth::User>& others, const Lines& lines,
                 ProblemList& problems) {
  Checker checker(config, lines, problems);
  for (const auth::User& other : others) checker.take_name(other.name);
  checker.users();
}

}  // namespace postrider::config
