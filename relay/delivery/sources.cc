#include "relay/delivery/sources.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace postrider::delivery {

namespace {

// The same in every build and on every machine, unlike std::hash: FNV-1a over the name, then the id
// mixed in by the finalizer of MurmurHash3.
std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccd;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53;
  return value ^ value >> 33;
}

std::uint64_t draw(std::string_view name, const queue::MessageId& id) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return mix(mix(hash ^ id.high) ^ id.low);
}

// Weighted rendezvous hashing: the share of each is its weight.
double score(const Source& source, const queue::MessageId& id) {
  // Uniform in (0, 1): 53 bits and a half.
  const double unit = (static_cast<double>(draw(source.name, id) >> 11) + 0.5) * 0x1.0p-53;
  return -static_cast<double>(source.weight) / std::log(unit);
}

}  // namespace

Sources::Sources(const Options& options, const std::string& host_name)
    : general_{.ipv4 = options.source_ipv4, .ipv6 = options.source_ipv6, .host_name = host_name} {
  for (const SourceOptions& one : options.sources) {
    sources_.push_back({one.name, one.ipv4, one.ipv6,
                        one.host_name.empty() ? host_name : one.host_name, one.weight, one.tenants,
                        one.limits});
  }
}

std::vector<const Source*> Sources::pool(std::string_view tenant) const {
  std::vector<const Source*> named;
  std::vector<const Source*> others;
  for (const Source& source : sources_) {
    const auto& tenants = source.tenants;
    if (tenants.empty()) {
      others.push_back(&source);
    } else if (std::ranges::find(tenants, tenant) != tenants.end()) {
      named.push_back(&source);
    }
  }
  if (!named.empty()) return named;
  if (others.empty()) others.push_back(&general_);
  return others;
}

const Source& Sources::choose(std::string_view tenant, const queue::MessageId& id) const {
  if (sources_.empty()) return general_;
  const std::vector<const Source*> candidates = pool(tenant);
  return **std::ranges::max_element(candidates, {},
                                    [&id](const Source* source) { return score(*source, id); });
}

}  // namespace postrider::delivery
