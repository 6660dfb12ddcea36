#include "queue/tenants.h"

#include <algorithm>

namespace postrider::queue {

namespace {

// Counts are sums over messages that may turn out unreadable; never below nothing.
std::uint64_t add(std::uint64_t value, std::int64_t change) {
  if (change >= 0) return value + static_cast<std::uint64_t>(change);
  return value - std::min(value, static_cast<std::uint64_t>(-change));
}

}  // namespace

Tenants::Use& Tenants::use(std::string_view tenant) {
  const auto at = all_.find(tenant);
  if (at != all_.end()) return at->second;
  return all_.emplace(tenant, Use()).first->second;
}

void Tenants::forget_if_empty(std::string_view tenant) {
  const auto at = all_.find(tenant);
  if (at == all_.end()) return;
  if (at->second.admitted.messages == 0 && at->second.committed.messages == 0) all_.erase(at);
}

void Tenants::load(std::string_view tenant, const TenantRecord& record) {
  use(tenant) = {record, record};
}

Refusal Tenants::admit(std::string_view tenant, std::uint64_t size) {
  Refusal refusal = Refusal::kNone;
  const auto at = all_.find(tenant);
  const TenantRecord now = at == all_.end() ? TenantRecord() : at->second.admitted;
  if (now.messages >= limits_.messages_max) {
    refusal = Refusal::kTenantMessagesFull;
  } else if (now.bytes + size > limits_.bytes_max) {
    refusal = Refusal::kTenantBytesFull;
  }
  if (refusal == Refusal::kNone) take_in(tenant, size);
  return refusal;
}

void Tenants::take_in(std::string_view tenant, std::uint64_t size) {
  TenantRecord& admitted = use(tenant).admitted;
  ++admitted.messages;
  admitted.bytes += size;
}

void Tenants::take_back(std::string_view tenant, std::uint64_t size) {
  TenantRecord& admitted = use(tenant).admitted;
  admitted.messages = add(admitted.messages, -1);
  admitted.bytes = add(admitted.bytes, -static_cast<std::int64_t>(size));
  forget_if_empty(tenant);
}

TenantRecord Tenants::committed(std::string_view tenant, const TenantChange& change) const {
  const auto at = all_.find(tenant);
  TenantRecord record = at == all_.end() ? TenantRecord() : at->second.committed;
  record.messages = add(record.messages, change.messages);
  record.bytes = add(record.bytes, change.bytes);
  return record;
}

void Tenants::commit(std::string_view tenant, const TenantChange& change) {
  const TenantRecord record = committed(tenant, change);
  use(tenant).committed = record;
  forget_if_empty(tenant);
}

TenantRecord Tenants::admitted(std::string_view tenant) const {
  const auto at = all_.find(tenant);
  return at == all_.end() ? TenantRecord() : at->second.admitted;
}

}  // namespace postrider::queue
