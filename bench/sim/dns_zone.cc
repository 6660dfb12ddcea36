#include "bench/sim/dns_zone.h"

#include <string>
#include <utility>

namespace postrider::bench {

namespace {

// How long the absence of a name that no rule knows may be remembered.
constexpr std::uint32_t kUnknownTtl = 5;
constexpr std::uint16_t kPreferenceStep = 10;

bool asks_for(const DnsQuestion& question, DnsType type) {
  return question.type == static_cast<std::uint16_t>(type) ||
         question.type == static_cast<std::uint16_t>(DnsType::kAny);
}

DnsReply no_data(std::uint32_t ttl) {
  DnsReply reply;
  reply.negative_ttl = ttl;
  return reply;
}

DnsReply only_code(DnsCode code) {
  DnsReply reply;
  reply.code = code;
  return reply;
}

DnsReply address_reply(const DnsQuestion& question, const IpAddress& address, std::uint32_t ttl) {
  const DnsType type = address.is_v4() ? DnsType::kA : DnsType::kAaaa;
  if (!asks_for(question, type)) return no_data(ttl);
  DnsReply reply;
  reply.answers.push_back({type, ttl, address, 0, ""});
  return reply;
}

DnsReply mx_reply(const DnsQuestion& question, const DomainRule& rule) {
  if (!asks_for(question, DnsType::kMx) || rule.mx.empty()) return no_data(rule.ttl);
  DnsReply reply;
  for (std::size_t i = 0; i < rule.mx.size(); ++i) {
    const std::size_t rank = rule.mx_preference_equal ? 1 : i + 1;
    reply.answers.push_back({DnsType::kMx,
                             rule.ttl,
                             {},
                             static_cast<std::uint16_t>(kPreferenceStep * rank),
                             "mx" + std::to_string(i + 1)});
  }
  return reply;
}

DnsReply null_mx_reply(const DnsQuestion& question, const DomainRule& rule) {
  if (!asks_for(question, DnsType::kMx)) return no_data(rule.ttl);
  DnsReply reply;
  reply.answers.push_back({DnsType::kMx, rule.ttl, {}, 0, "."});
  return reply;
}

// The same records, of another name that the one asked for is an alias of.
DnsReply behind_an_alias(DnsReply reply, std::uint32_t ttl) {
  for (DnsRecord& record : reply.answers) record.owner = "alias";
  reply.answers.insert(reply.answers.begin(), {DnsType::kCname, ttl, {}, 0, "alias"});
  return reply;
}

DnsReply alias_loop(std::uint32_t ttl) {
  DnsReply reply;
  reply.answers.push_back({DnsType::kCname, ttl, {}, 0, "alias"});
  reply.answers.push_back({DnsType::kCname, ttl, {}, 0, "", "alias"});
  return reply;
}

std::optional<DnsReply> domain_reply(const DnsQuestion& question, DnsTransport transport,
                                     const DomainRule& rule) {
  switch (rule.dns) {
    case DnsMode::kTimeout:
      return std::nullopt;
    case DnsMode::kServFail:
      return only_code(DnsCode::kServFail);
    case DnsMode::kNxDomain: {
      DnsReply reply = no_data(rule.ttl);
      reply.code = DnsCode::kNxDomain;
      return reply;
    }
    case DnsMode::kNoData:
      return no_data(rule.ttl);
    case DnsMode::kNullMx:
      return null_mx_reply(question, rule);
    case DnsMode::kNoMx:
      if (rule.mx.empty()) return no_data(rule.ttl);
      return address_reply(question, rule.mx.front(), rule.ttl);
    case DnsMode::kTruncate: {
      DnsReply reply = mx_reply(question, rule);
      reply.truncated = transport == DnsTransport::kUdp;
      return reply;
    }
    case DnsMode::kRefused:
      return only_code(DnsCode::kRefused);
    case DnsMode::kDamaged: {
      DnsReply reply = mx_reply(question, rule);
      reply.damaged = true;
      return reply;
    }
    case DnsMode::kNoEdns:
      if (question.edns) return only_code(DnsCode::kFormErr);
      break;
    case DnsMode::kAlias:
      return behind_an_alias(mx_reply(question, rule), rule.ttl);
    case DnsMode::kAliasLoop:
      return alias_loop(rule.ttl);
    case DnsMode::kOk:
      break;
  }
  return mx_reply(question, rule);
}

}  // namespace

std::optional<DnsReply> answer_dns(const DnsQuestion& question, DnsTransport transport,
                                   const RuleBook& book) {
  if (const auto host = book.find_host(question.name)) {
    if (host->rule->dns == DnsMode::kTimeout) return std::nullopt;
    DnsReply reply = address_reply(question, host->address, host->rule->ttl);
    if (host->rule->dns != DnsMode::kAlias) return reply;
    return behind_an_alias(std::move(reply), host->rule->ttl);
  }
  if (const DomainRule* const rule = book.find(question.name)) {
    return domain_reply(question, transport, *rule);
  }
  DnsReply reply = no_data(kUnknownTtl);
  reply.code = DnsCode::kNxDomain;
  return reply;
}

}  // namespace postrider::bench
