#include "queue/tenant_recovery.h"

#include <map>
#include <string>

#include "queue/keys.h"
#include "relay/base/log.h"

namespace postrider::queue {

namespace {

const std::string& all_records() {
  static const std::string lower(1, space::kTenant);
  return lower;
}

// False: one of them is damaged.
Result<bool> read_records(Store& store, Tenants& tenants) {
  const auto cursor = store.scan(all_records(), after_prefix(all_records()));
  for (; cursor->valid(); cursor->next()) {
    const auto record = decode_tenant(cursor->key(), cursor->value());
    if (!record) return false;
    if (record->messages > 0) tenants.load(cursor->key().substr(1), *record);
  }
  if (auto status = cursor->status(); !status) return failure(status.error());
  return true;
}

}  // namespace

Result<void> count_tenants(Store& store, Batch& batch) {
  const auto records = store.scan(all_records(), after_prefix(all_records()));
  for (; records->valid(); records->next()) batch.erase(records->key());
  if (auto status = records->status(); !status) return status;
  std::map<std::string, TenantRecord> tenants;
  const std::string lower(1, space::kMessage);
  const auto messages = store.scan(lower, after_prefix(lower));
  for (; messages->valid(); messages->next()) {
    const auto message = decode_message(messages->key(), messages->value());
    if (!message) continue;
    TenantRecord& record = tenants[message->envelope.tenant];
    ++record.messages;
    record.bytes += message->size;
  }
  if (auto status = messages->status(); !status) return status;
  for (const auto& [tenant, record] : tenants) {
    const std::string key = tenant_key(tenant);
    batch.put(key, encode(key, record));
  }
  return {};
}

Result<void> recover_tenants(Store& store, Tenants& tenants) {
  const auto verified = read_records(store, tenants);
  if (!verified) return failure(verified.error());
  if (*verified) return {};
  log::warning("queue", "the record of a tenant is damaged; all are counted anew");
  const auto batch = store.new_batch();
  if (auto counted = count_tenants(store, *batch); !counted) return counted;
  if (auto written = store.write(*batch, true); !written) return written;
  const auto again = read_records(store, tenants);
  if (!again) return failure(again.error());
  if (!*again) return failure("a tenant's record does not verify right after it was written");
  return {};
}

}  // namespace postrider::queue
