#include "bench/sim/domain_rule.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "bench/quantity.h"
#include "relay/base/ascii.h"

namespace postrider::bench {

namespace {

using Setter = Result<void> (*)(DomainRule& rule, std::string_view value);

struct Key {
  std::string_view name;
  Setter set;
};

template <class T>
struct Choice {
  std::string_view name;
  T value;
};

template <class T>
Result<void> choose(T& target, std::string_view value, std::span<const Choice<T>> choices) {
  std::string names;
  for (const Choice<T>& choice : choices) {
    if (choice.name == value) {
      target = choice.value;
      return {};
    }
    names += (names.empty() ? "" : ", ") + std::string(choice.name);
  }
  return failure("'" + ascii::printable(value) + "' is not one of " + names);
}

template <class T>
Result<void> assign(T& target, const Result<T>& value) {
  if (!value) return failure(value.error());
  target = *value;
  return {};
}

constexpr std::array<Choice<DnsMode>, 13> kDnsModes = {{{"ok", DnsMode::kOk},
                                                        {"nxdomain", DnsMode::kNxDomain},
                                                        {"servfail", DnsMode::kServFail},
                                                        {"timeout", DnsMode::kTimeout},
                                                        {"nullmx", DnsMode::kNullMx},
                                                        {"nomx", DnsMode::kNoMx},
                                                        {"nodata", DnsMode::kNoData},
                                                        {"truncate", DnsMode::kTruncate},
                                                        {"refused", DnsMode::kRefused},
                                                        {"damaged", DnsMode::kDamaged},
                                                        {"noedns", DnsMode::kNoEdns},
                                                        {"alias", DnsMode::kAlias},
                                                        {"aliasloop", DnsMode::kAliasLoop}}};
constexpr std::array<Choice<TlsMode>, 4> kTlsModes = {{{"on", TlsMode::kOn},
                                                       {"off", TlsMode::kOff},
                                                       {"broken", TlsMode::kBroken},
                                                       {"required", TlsMode::kRequired}}};
constexpr std::array<Choice<CertificateKind>, 4> kCertificates = {
    {{"good", CertificateKind::kGood},
     {"expired", CertificateKind::kExpired},
     {"wrongname", CertificateKind::kWrongName},
     {"selfsigned", CertificateKind::kSelfSigned}}};
constexpr std::array<Choice<bool>, 2> kPreferences = {{{"ascending", false}, {"equal", true}}};
constexpr std::array<Choice<bool>, 2> kOnOff = {{{"on", true}, {"off", false}}};

Result<void> set_mx(DomainRule& rule, std::string_view value) {
  static constexpr std::size_t kMaxHosts = 250;
  std::vector<IpAddress> addresses;
  for (const std::string_view part : ascii::split(value, ',')) {
    const auto address = IpAddress::parse(part);
    if (!address) return failure("'" + ascii::printable(part) + "' is not an IP address");
    addresses.push_back(*address);
  }
  if (addresses.size() > kMaxHosts) {
    return failure("more than " + std::to_string(kMaxHosts) + " hosts");
  }
  rule.mx = std::move(addresses);
  return {};
}

Result<void> set_ttl(DomainRule& rule, std::string_view value) {
  const auto number = parse_count(value);
  if (!number) return failure(number.error());
  if (*number > INT32_MAX) return failure("a TTL has 31 bits (RFC 2181 section 8)");
  rule.ttl = static_cast<std::uint32_t>(*number);
  return {};
}

constexpr std::array<Key, 14> kKeys = {{
    {"mx", set_mx},
    {"ttl", set_ttl},
    {"mx-preference",
     [](DomainRule& rule, std::string_view value) {
       return choose<bool>(rule.mx_preference_equal, value, kPreferences);
     }},
    {"listen", [](DomainRule& rule,
                  std::string_view value) { return choose<bool>(rule.listen, value, kOnOff); }},
    {"dns", [](DomainRule& rule,
               std::string_view value) { return choose<DnsMode>(rule.dns, value, kDnsModes); }},
    {"tls", [](DomainRule& rule,
               std::string_view value) { return choose<TlsMode>(rule.tls, value, kTlsModes); }},
    {"certificate",
     [](DomainRule& rule, std::string_view value) {
       return choose<CertificateKind>(rule.certificate, value, kCertificates);
     }},
    {"tickets", [](DomainRule& rule,
                   std::string_view value) { return choose<bool>(rule.tickets, value, kOnOff); }},
    {"share", [](DomainRule& rule,
                 std::string_view value) { return assign(rule.share, parse_share(value)); }},
    {"greylist",
     [](DomainRule& rule, std::string_view value) {
       return assign(rule.greylist, parse_duration(value));
     }},
    {"delay", [](DomainRule& rule,
                 std::string_view value) { return assign(rule.delay, parse_duration(value)); }},
    {"messages-per-connection",
     [](DomainRule& rule, std::string_view value) {
       return assign(rule.messages_per_connection, parse_count(value));
     }},
    {"connections",
     [](DomainRule& rule, std::string_view value) {
       return assign(rule.connections, parse_count(value));
     }},
    {"recipients",
     [](DomainRule& rule, std::string_view value) {
       return assign(rule.recipients, parse_count(value));
     }},
}};

Result<void> set_step(std::optional<Step>& target, std::string_view value) {
  if (value == "ok") {
    target.reset();
    return {};
  }
  auto step = Step::parse(value);
  if (!step) return failure(step.error());
  target = *std::move(step);
  return {};
}

Error unknown_key(std::string_view key) {
  std::string_view nearest;
  std::size_t least = 4;  // further away it is no slip of the finger
  const auto weigh = [&](std::string_view name) {
    const std::size_t distance = ascii::edit_distance(key.substr(0, 64), name);
    if (distance >= least) return;
    least = distance;
    nearest = name;
  };
  for (const Key& known : kKeys) weigh(known.name);
  for (const std::string_view phase : kPhaseNames) weigh(phase);
  std::string text = "unknown key '" + ascii::printable(key, 64) + "'";
  if (!nearest.empty()) text += "; did you mean " + std::string(nearest) + "?";
  return Error(text);
}

}  // namespace

Result<void> DomainRule::set(std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == assignment.npos) {
    return failure("'" + ascii::printable(assignment) + "' is not key=value");
  }
  const std::string_view key = assignment.substr(0, equals);
  const std::string_view value = assignment.substr(equals + 1);
  for (std::size_t i = 0; i < kPhaseCount; ++i) {
    if (kPhaseNames[i] != key) continue;
    auto done = set_step(steps[i], value);
    if (!done) return failure(done.error().within(key));
    return {};
  }
  for (const Key& known : kKeys) {
    if (known.name != key) continue;
    auto done = known.set(*this, value);
    if (!done) return failure(done.error().within(key));
    return {};
  }
  return failure(unknown_key(key));
}

const Step* DomainRule::take_step(Phase phase) const {
  const auto& step = steps[static_cast<std::size_t>(phase)];
  if (!step) return nullptr;
  auto& passes = counters->passes[static_cast<std::size_t>(phase)];
  const auto pass = static_cast<double>(passes.fetch_add(1, std::memory_order_relaxed));
  // The share of passes so far, rounded down, grows by one exactly where the step is due. The
  // small term keeps a share such as 0.2 from missing a whole number by a rounding error.
  static constexpr double kRounding = 1e-9;
  const double before = std::floor(pass * share + kRounding);
  return std::floor((pass + 1) * share + kRounding) > before ? &*step : nullptr;
}

Result<RuleLine> parse_rule_line(std::string_view line) {
  RuleLine rule;
  bool named = false;
  for (const std::string_view spaced : ascii::split(line, ' ')) {
    const std::string_view word = ascii::trim(spaced);
    if (word.empty()) continue;
    if (named) {
      if (auto set = rule.rule.set(word); !set) return failure(set.error());
      continue;
    }
    named = true;
    for (const std::string_view name : ascii::split(word, ',')) {
      auto pattern = NamePattern::parse(name);
      if (!pattern) return failure(pattern.error());
      rule.names.push_back(*std::move(pattern));
    }
  }
  if (!named) return failure("a rule begins with a domain name");
  return rule;
}

Result<std::vector<RuleLine>> parse_rule_text(std::string_view text, std::string_view name) {
  std::vector<RuleLine> rules;
  std::size_t number = 0;
  for (const std::string_view line : ascii::split(text, '\n')) {
    ++number;
    std::string_view content = line.substr(0, line.find('#'));
    if (content.ends_with('\r')) content.remove_suffix(1);
    content = ascii::trim(content);
    if (content.empty()) continue;
    auto rule = parse_rule_line(content);
    if (!rule) {
      return failure(rule.error().within(std::string(name) + ":" + std::to_string(number)));
    }
    rules.push_back(*std::move(rule));
  }
  return rules;
}

}  // namespace postrider::bench
