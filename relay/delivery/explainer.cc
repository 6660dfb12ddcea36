#include "relay/delivery/explainer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "relay/delivery/targets.h"

namespace postrider::delivery {

namespace {

std::string route_text(std::string_view domain, const Hop& hop, const dns::Route& route) {
  std::string text;
  if (hop.is_smart_host()) {
    text = (hop.protocol == smtp::Protocol::kLmtp ? "LMTP server " : "smart host ") + hop.host;
  } else if (route.implicit) {
    text = std::string(domain) + " itself, which has no MX records";
  } else {
    text = "mail hosts of " + std::string(domain);
  }
  if (hop.path.empty()) text += ", port " + std::to_string(hop.port);
  text += ", TLS " + std::string(policy::name_of(hop.tls));
  if (hop.implicit_tls) text += " from the first octet";
  if (hop.login) text += ", with a login";
  return hop.is_smart_host() ? text + " (route for " + hop.route + ")" : text;
}

std::string text_of(const policy::Rate& rate) {
  return rate.to_string();
}

template <class Number>
std::string text_of(Number number) {
  return std::to_string(number);
}

template <class T>
void add(std::vector<ExplainedLimit>& limits, std::string name, const policy::Sourced<T>& limit) {
  limits.push_back({std::move(name), text_of(limit.value), limit.from});
}

std::string addresses_of(const Source& source) {
  std::string text;
  for (const auto& address : {source.ipv4, source.ipv6}) {
    if (!address) continue;
    if (!text.empty()) text += ", ";
    text += address->to_string();
  }
  return text;
}

}  // namespace

ExplainerParts parts_of(const Shared& shared) {
  return {shared.options,       shared.routes,   shared.sources, shared.destinations,
          shared.own_addresses, shared.resolver, shared.clock,   &shared.health};
}

Explainer::Explainer(const ExplainerParts& parts, AskSites ask_sites)
    : parts_(parts), ask_sites_(std::move(ask_sites)), answers_(std::make_shared<Answers>()) {}

Explainer::~Explainer() {
  stop();
}

void Explainer::stop() {
  answers_->stop();
}

// ask(reply_on, done) sees to it that done(T) is posted.
template <class T, class Ask>
Result<T> Explainer::wait_for(const Ask& ask, std::string_view what) {
  const auto answer = std::make_shared<std::optional<T>>();
  // The answer may come when nobody waits any more: what it needs, it holds.
  ask(*answers_, [answer, answers = answers_](T value) { *answer = std::move(value); });
  switch (answers_->wait(kWait, [&] { return answer->has_value(); })) {
    case Answers::State::kAnswered:
      return std::move(**answer);
    case Answers::State::kStopped:
      return failure("the relay is stopping");
    case Answers::State::kLate:
      break;
  }
  return failure(std::string(what) + " did not answer in time");
}

Result<Explanation> Explainer::explain(const message::Address& address, const std::string& tenant) {
  using RoutePtr = std::shared_ptr<const dns::Route>;
  const Hop& hop = parts_.routes.find(address.domain, tenant);
  auto found = wait_for<RoutePtr>(
      [&](Executor& reply_on, auto done) {
        find_route(parts_.resolver, address.domain, hop, reply_on, std::move(done));
      },
      "the DNS");
  if (!found) return failure(found.error());
  const dns::Route& route = **found;
  Explanation explanation;
  explanation.address = address.to_string();
  explanation.running = ask_sites_ != nullptr;
  explanation.route = route_text(address.domain, hop, route);
  explanation.authentic = route.authentic;
  explanation.dns = route.detail;
  if (route.status != dns::RouteStatus::kFound) {
    explanation.verdict = verdict_of(route, hop);
    return explanation;
  }
  describe_hosts(explanation, hop, route);
  const Destination destination = parts_.destinations.find(address.domain, hop, route);
  explanation.site = destination.site;
  if (destination.provider != nullptr) explanation.provider = destination.provider->name;
  const std::vector<const Source*> pool = parts_.sources.pool(tenant);
  double weights = 0;
  for (const Source* source : pool) weights += source->weight;
  for (const Source* source : pool) {
    ExplainedSource& described =
        explanation.sources.emplace_back(describe_source(destination, *source));
    described.share = source->weight / weights;
    TargetList list = targets_of(route, hop, *source, parts_.options, parts_.own_addresses);
    if (list.targets.empty()) explanation.verdict = std::move(list.verdict);
  }
  if (!explanation.running) return explanation;
  using States = std::vector<std::optional<SiteState>>;
  auto states = wait_for<States>(
      [&](Executor& reply_on, auto done) {
        ask_sites_(destination, pool, [&reply_on, done](States all) mutable {
          reply_on.post([done, all = std::move(all)]() mutable { done(std::move(all)); });
        });
      },
      "the site");
  if (!states) return failure(states.error());
  for (std::size_t i = 0; i < std::min(states->size(), explanation.sources.size()); ++i) {
    explanation.sources[i].state = (*states)[i];
  }
  return explanation;
}

void Explainer::describe_hosts(Explanation& explanation, const Hop& hop,
                               const dns::Route& route) const {
  const bool guarded = !hop.is_smart_host() && !parts_.options.allow_special_addresses;
  for (const dns::Host& host : route.hosts) {
    ExplainedHost& described = explanation.hosts.emplace_back();
    described.name = host.name;
    described.preference = host.preference;
    for (const IpAddress& ip : host.addresses) {
      ExplainedAddress& address = described.addresses.emplace_back(ExplainedAddress{ip, ""});
      const bool own = std::ranges::any_of(parts_.own_addresses,
                                           [&ip](const Network& one) { return one.contains(ip); });
      if (ip.is_special() && guarded) {
        address.note = "not used: private or reserved";
      } else if (own && !hop.is_smart_host()) {
        address.note = "this relay itself";
      } else if (parts_.health != nullptr &&
                 parts_.health->is_avoided({ip, hop.port}, parts_.clock.now())) {
        address.note = "has failed lately, tried last";
      }
    }
  }
}

ExplainedSource Explainer::describe_source(const Destination& destination,
                                           const Source& source) const {
  ExplainedSource described{source.name, addresses_of(source), source.host_name};
  const policy::Limits limits = parts_.destinations.site_limits(destination, source);
  add(described.limits, "connections", limits.connections_max);
  add(described.limits, "messages per connection", limits.messages_per_connection_max);
  add(described.limits, "recipients per transaction", limits.recipients_per_transaction_max);
  add(described.limits, "message rate", limits.message_rate);
  add(described.limits, "connection rate", limits.connection_rate);
  add(described.limits, "rate of each queue", limits.queue_rate);
  if (destination.provider == nullptr) return described;
  const policy::Limits all = parts_.destinations.provider_limits(*destination.provider, source);
  auto& shared = described.provider_limits;
  if (all.connections_max.value != Destinations::kNoLimit) {
    add(shared, "connections", all.connections_max);
  }
  if (all.message_rate.value.is_limited()) add(shared, "message rate", all.message_rate);
  if (all.connection_rate.value.is_limited()) add(shared, "connection rate", all.connection_rate);
  return described;
}

}  // namespace postrider::delivery
