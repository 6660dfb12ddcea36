#include "dns/resolution.h"

#include <algorithm>
#include <utility>

#include "relay/base/ascii.h"

namespace postrider::dns {

namespace {

// Of what went wrong, so much is told in a route's detail.
constexpr std::size_t kDetailMax = 500;

// RFC 6724 prefers IPv6; alternating families means that where one of them leads nowhere the
// second try already takes the other.
std::vector<IpAddress> alternate(const std::vector<IpAddress>& ipv6,
                                 const std::vector<IpAddress>& ipv4) {
  std::vector<IpAddress> addresses;
  addresses.reserve(ipv6.size() + ipv4.size());
  for (std::size_t i = 0; i < std::max(ipv6.size(), ipv4.size()); ++i) {
    if (i < ipv6.size()) addresses.push_back(ipv6[i]);
    if (i < ipv4.size()) addresses.push_back(ipv4[i]);
  }
  return addresses;
}

// RFC 5321 section 4.1.3.
std::optional<IpAddress> literal_address(std::string_view text) {
  constexpr std::string_view kIpv6Tag = "IPv6:";
  const bool tagged = ascii::istarts_with(text, kIpv6Tag);
  if (tagged) text.remove_prefix(kIpv6Tag.size());
  const bool looks_ipv6 = text.find(':') != std::string_view::npos;
  if (tagged != looks_ipv6) return std::nullopt;
  return IpAddress::parse(text);
}

}  // namespace

std::string normal_domain(std::string_view domain) {
  if (domain.ends_with('.')) domain.remove_suffix(1);
  return ascii::lower(domain);
}

std::shared_ptr<const Route> literal_route(std::string_view domain) {
  if (!domain.starts_with('[')) return nullptr;
  auto route = std::make_shared<Route>();
  route->site = domain;
  route->implicit = true;
  const bool closed = domain.size() > 2 && domain.ends_with(']');
  const auto address = closed ? literal_address(domain.substr(1, domain.size() - 2)) : std::nullopt;
  if (address) {
    route->status = RouteStatus::kFound;
    route->hosts.push_back(Host{std::string(domain), 0, {*address}, false});
    route->detail = "address literal";
  } else {
    route->status = RouteStatus::kNoDomain;
    route->detail = ascii::printable(domain, 100) + ": not an address literal";
  }
  return route;
}

std::shared_ptr<const Route> temporary_route(std::string_view domain, std::string detail) {
  auto route = std::make_shared<Route>();
  route->status = RouteStatus::kTemporary;
  route->site = domain;
  route->detail = std::move(detail);
  return route;
}

Resolution::Resolution(std::string domain, Kind kind, bool ipv6, Random& random)
    : domain_(std::move(domain)),
      ipv6_(ipv6),
      random_(random),
      mx_outstanding_(kind == Kind::kDomain),
      site_(domain_),
      implicit_(kind == Kind::kHost) {
  if (kind == Kind::kHost) {
    ask_addresses({{0, domain_}});
  } else {
    questions_.push_back({domain_, QueryType::kMx});
  }
}

std::vector<Question> Resolution::take_questions() {
  return std::exchange(questions_, {});
}

void Resolution::answer(const Question& question, const Answer& answer) {
  if (route_) return;
  authentic_ = authentic_ && answer.authentic;
  if (question.type == QueryType::kMx) {
    if (mx_outstanding_) answer_mx(question, answer);
    return;
  }
  const auto host = std::find_if(
      candidates_.begin(), candidates_.end(),
      [&](const Candidate& candidate) { return candidate.record.host == question.name; });
  if (host == candidates_.end() || host->outstanding == 0) return;
  --host->outstanding;
  --outstanding_;
  for (const IpAddress& address : answer.addresses) {
    (address.is_v4() ? host->ipv4 : host->ipv6).push_back(address);
  }
  if (!is_definite(answer.outcome)) host->temporary = true;
  if (answer.outcome != Outcome::kFound) note_trouble(question, to_string(answer.outcome));
  if (outstanding_ == 0) finish_with_hosts();
}

void Resolution::answer_mx(const Question& question, const Answer& answer) {
  mx_outstanding_ = false;
  if (answer.outcome != Outcome::kFound) note_trouble(question, to_string(answer.outcome));
  switch (answer.outcome) {
    case Outcome::kFound:
    case Outcome::kNoData:
      break;
    case Outcome::kNoDomain:
    case Outcome::kBadName:
      finish(RouteStatus::kNoDomain);
      return;
    default:
      // RFC 5321 section 5.1: a failed MX lookup never leads to the address records.
      finish(RouteStatus::kTemporary);
      return;
  }
  MxPlan plan = make_plan(domain_, answer.mx, random_);
  if (plan.kind == PlanKind::kNullMx) {
    note_trouble(question, "null MX");
    finish(RouteStatus::kNullMx);
    return;
  }
  implicit_ = plan.kind == PlanKind::kImplicit;
  site_ = site_name(plan);
  ask_addresses(std::move(plan.hosts));
}

void Resolution::ask_addresses(std::vector<MxRecord> hosts) {
  for (MxRecord& record : hosts) {
    Candidate candidate;
    if (ipv6_) questions_.push_back({record.host, QueryType::kAaaa});
    questions_.push_back({record.host, QueryType::kA});
    candidate.outstanding = ipv6_ ? 2 : 1;
    outstanding_ += candidate.outstanding;
    candidate.record = std::move(record);
    candidates_.push_back(std::move(candidate));
  }
}

void Resolution::give_up() {
  if (route_) return;
  note_trouble({domain_, QueryType::kMx},
               mx_outstanding_ ? "no answer in time" : "not all addresses of its hosts in time");
  if (mx_outstanding_) {
    finish(RouteStatus::kTemporary);
    return;
  }
  for (Candidate& candidate : candidates_) {
    if (candidate.outstanding > 0) candidate.temporary = true;
  }
  finish_with_hosts();
}

void Resolution::note_trouble(const Question& question, std::string_view what) {
  if (trouble_.size() >= kDetailMax) return;
  if (!trouble_.empty()) trouble_.append("; ");
  trouble_.append(to_string(question.type)).append(" ");
  trouble_.append(ascii::printable(question.name, 255)).append(": ").append(what);
}

void Resolution::finish_with_hosts() {
  auto route = std::make_shared<Route>();
  bool temporary = false;
  for (Candidate& candidate : candidates_) {
    Host host{std::move(candidate.record.host), candidate.record.preference,
              alternate(candidate.ipv6, candidate.ipv4), candidate.temporary};
    temporary = temporary || host.temporary;
    if (!host.addresses.empty()) route->hosts.push_back(std::move(host));
  }
  if (!route->hosts.empty()) {
    route->status = RouteStatus::kFound;
  } else {
    route->status = temporary ? RouteStatus::kTemporary : RouteStatus::kNoHosts;
  }
  route->site = std::move(site_);
  route->implicit = implicit_;
  route->authentic = authentic_ && !temporary;
  route->detail = std::move(trouble_);
  route_ = std::move(route);
}

void Resolution::finish(RouteStatus status) {
  auto route = std::make_shared<Route>();
  route->status = status;
  route->authentic = authentic_ && status != RouteStatus::kTemporary;
  route->site = std::move(site_);
  route->detail = std::move(trouble_);
  route_ = std::move(route);
}

}  // namespace postrider::dns
