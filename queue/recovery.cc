#include "queue/recovery.h"

#include <algorithm>

#include "queue/open_recovery.h"
#include "queue/rebuild.h"
#include "queue/record.h"
#include "queue/tenant_recovery.h"
#include "relay/base/log.h"

namespace postrider::queue {

namespace {

Result<bool> is_empty(Store& store) {
  const auto cursor = store.scan(std::string_view("\0", 1), "\xff");
  if (auto status = cursor->status(); !status) return failure(status.error());
  return !cursor->valid();
}

Result<void> write_empty(Store& store) {
  const auto batch = store.new_batch();
  const std::string schema = state_key("schema");
  batch->put(schema, encode_number(schema, kSchemaVersion));
  const std::string totals = state_key("totals");
  batch->put(totals, encode(totals, Totals()));
  return store.write(*batch, true);
}

// Version 1 had no records of tenants; version 2 had all there is, but no body with a front and
// none that is being written. One batch: a start that is cut short finds the old version again.
Result<void> migrate_from(std::uint64_t version, Store& store) {
  const auto batch = store.new_batch();
  if (version == 1) {
    if (auto counted = count_tenants(store, *batch); !counted) return counted;
  }
  const std::string key = state_key("schema");
  batch->put(key, encode_number(key, kSchemaVersion));
  log::info("queue", "the queue is brought to a newer schema version",
            {{"from", version}, {"to", kSchemaVersion}});
  return store.write(*batch, true);
}

Result<void> check_schema(Store& store) {
  const std::string key = state_key("schema");
  const auto stored = store.get(key);
  if (!stored) return failure(stored.error());
  std::optional<std::uint64_t> version;
  if (*stored) version = decode_number(key, (*stored)->view());
  if (!version && store.was_repaired()) {
    // What is there says what it is, each record with its own version.
    const auto batch = store.new_batch();
    batch->put(key, encode_number(key, kSchemaVersion));
    return store.write(*batch, true);
  }
  if (!*stored) {
    const auto empty = is_empty(store);
    if (!empty) return failure(empty.error());
    if (!*empty) return failure("the store holds data but no schema version: not a queue");
    return write_empty(store);
  }
  if (!version) return failure("the queue's schema version is damaged");
  if (*version == 1 || *version == 2) return migrate_from(*version, store);
  if (*version != kSchemaVersion) {
    return failure("the queue has schema version " + std::to_string(*version) +
                   "; this program knows version " + std::to_string(kSchemaVersion));
  }
  return {};
}

Result<Totals> count_totals(Store& store) {
  log::warning("queue", "the totals are damaged and are counted anew");
  Totals totals;
  const auto cursor = store.scan(message_key({}), after_prefix(std::string(1, space::kMessage)));
  for (; cursor->valid(); cursor->next()) {
    const auto id = decode_id(cursor->key());
    if (!id) continue;
    ++totals.messages;
    totals.last_id = std::max(totals.last_id, *id);
    const auto message = decode_message(cursor->key(), cursor->value());
    if (message) totals.bytes += message->size;
  }
  if (auto status = cursor->status(); !status) return failure(status.error());
  return totals;
}

// From the queue's part of the due index and the messages it names.
Result<QueueRecord> count_queue(Store& store, const std::string& queue) {
  QueueRecord record;
  record.due_bound = WallTime::max();
  std::string lower(1, space::kDue);
  lower += queue;
  const auto cursor = store.scan(lower, after_prefix(lower));
  for (; cursor->valid(); cursor->next()) {
    const auto position = decode_position(cursor->key(), queue);
    if (!position) continue;
    ++record.deliveries;
    record.due_bound = std::min(record.due_bound, position->due);
    if (position->due == kHeld) ++record.on_hold;
    const std::string key = message_key(position->id);
    const auto stored = store.get(key);
    if (!stored) return failure(stored.error());
    if (!*stored) continue;
    const auto message = decode_message(key, (*stored)->view());
    if (message) record.bytes += message->size;
  }
  if (auto status = cursor->status(); !status) return failure(status.error());
  return record;
}

Result<void> recover_suspended(Store& store, DueIndex& index) {
  const std::string lower = suspension_prefix();
  const auto cursor = store.scan(lower, after_prefix(lower));
  for (; cursor->valid(); cursor->next()) {
    auto suspension = decode_suspension(cursor->key(), cursor->value());
    const auto name = decode_suspension_key(cursor->key());
    // Also where the value is damaged: to hold mail back can be mended, to send it cannot.
    if (!suspension && name) {
      suspension = {name->domain, name->tenant, name->campaign, "(damaged)", std::nullopt};
    }
    if (suspension) index.suspend(*suspension);
  }
  return cursor->status();
}

// All that is stored of the queue as a whole, and of its tenants, can be read: a suspension that
// was passed over would let mail go that is to stay.
Result<void> check_state(Store& store) {
  static_assert(space::kTenant == space::kState + 1);
  const auto cursor =
      store.scan(std::string(1, space::kState), after_prefix(std::string(1, space::kTenant)));
  while (cursor->valid()) cursor->next();
  return cursor->status();
}

Result<void> recover_queues(Store& store, DueIndex& index) {
  if (auto done = recover_suspended(store, index); !done) return done;
  const std::string lower(1, space::kQueue);
  const auto cursor = store.scan(lower, after_prefix(lower));
  for (; cursor->valid(); cursor->next()) {
    const std::string_view key = cursor->key().substr(1);
    std::string_view rest = key;
    const auto name = decode_queue_name(rest);
    if (!name || !rest.empty()) {
      log::warning("queue", "a queue record has a key that is none");
      continue;
    }
    auto record = decode_queue(cursor->key(), cursor->value());
    if (!record) {
      log::warning("queue", "a queue record is damaged and is counted anew",
                   {{"domain", name->domain}});
      auto counted = count_queue(store, std::string(key));
      if (!counted) return failure(counted.error());
      record = *counted;
    }
    if (record->deliveries == 0) continue;
    QueueEntry& queue = index.find_or_create(key);
    index.count(queue, static_cast<std::int64_t>(record->deliveries),
                static_cast<std::int64_t>(record->bytes),
                static_cast<std::int64_t>(record->on_hold));
    index.insert(queue, {record->due_bound, {}, 0});
  }
  return cursor->status();
}

Result<void> recover_once(Store& store, const std::function<Core&(const Totals&)>& make_core) {
  const auto totals = recover_totals(store);
  if (!totals) return failure(totals.error());
  if (auto erased = erase_open_bodies(store); !erased) return erased;
  Core& core = make_core(*totals);
  if (auto queues = recover_queues(store, *core.index.lock()); !queues) return queues;
  return recover_tenants(store, *core.tenants.lock());
}

}  // namespace

Result<Totals> recover_totals(Store& store) {
  if (auto checked = check_state(store); !checked) return failure(checked.error());
  if (auto checked = check_schema(store); !checked) return failure(checked.error());
  if (store.was_repaired()) {
    auto totals = rebuild(store);
    if (!totals) return failure(totals.error().within("after the repair"));
    if (auto done = store.rebuilt(); !done) return failure(done.error());
    return totals;
  }
  const std::string key = state_key("totals");
  const auto stored = store.get(key);
  if (!stored) return failure(stored.error());
  if (*stored) {
    const auto totals = decode_totals(key, (*stored)->view());
    if (totals) return *totals;
  }
  auto counted = count_totals(store);
  if (!counted) return counted;
  const auto batch = store.new_batch();
  batch->put(key, encode(key, *counted));
  if (auto written = store.write(*batch, true); !written) return failure(written.error());
  return counted;
}

Result<void> recover(Store& store, const std::function<Core&(const Totals&)>& make_core) {
  auto done = recover_once(store, make_core);
  if (done || !is_damage(done.error())) return done;
  // The store has made a note of it, and repairs what it opens.
  if (auto reopened = store.reopen(); !reopened) return reopened;
  return recover_once(store, make_core);
}

}  // namespace postrider::queue
