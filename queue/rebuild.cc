#include "queue/rebuild.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "queue/keys.h"
#include "queue/tenant_recovery.h"
#include "relay/base/log.h"

namespace postrider::queue {

namespace {

// Octets of one batch, about.
constexpr std::size_t kBatchSize = 1U << 20;

class Rebuild {
 public:
  explicit Rebuild(Store& store) : store_(store), batch_(store.new_batch()) {}

  Result<Totals> run() {
    const auto named = named_before();
    if (!named) return failure(named.error());
    for (const char made_anew : {space::kDue, space::kQueue, space::kLeft}) {
      if (auto done = erase_all(made_anew); !done) return failure(done.error());
    }
    if (auto done = walk_deliveries(); !done) return failure(done.error());
    if (auto done = walk_messages(); !done) return failure(done.error());
    if (auto done = count_tenants(store_, *batch_); !done) return failure(done.error());
    for (const auto& [name, record] : queues_) {
      const std::string key = queue_key(name);
      if (auto done = put(key, encode(key, record)); !done) return failure(done.error());
    }
    const std::string key = state_key("totals");
    if (auto done = put(key, encode(key, totals_)); !done) return failure(done.error());
    if (auto done = store_.write(*batch_, true); !done) return failure(done.error());
    log::warning("queue", "the queue was rebuilt from what verifies",
                 {{"messages", totals_.messages},
                  {"deliveries", deliveries_},
                  {"quarantined", quarantined_}});
    if (*named) compare((*named)->messages);
    return totals_;
  }

 private:
  // The totals of before; nullopt where they are damaged themselves.
  Result<std::optional<Totals>> named_before() {
    const std::string key = state_key("totals");
    const auto stored = store_.get(key);
    if (!stored && !is_damage(stored.error())) return failure(stored.error());
    if (!stored || !*stored) return std::optional<Totals>();
    return decode_totals(key, (*stored)->view());
  }

  void compare(std::uint64_t named) const {
    const std::uint64_t found = totals_.messages;
    if (found < named) {
      log::error("queue", "messages are missing after the repair; what the files held is in lost/",
                 {{"missing", named - found}, {"named", named}, {"there", found}});
    } else if (found > named) {
      log::error("queue", "messages that had ended are back after the repair, and are repeated",
                 {{"back", found - named}, {"named", named}, {"there", found}});
    }
  }

  Result<void> flush_if_large() {
    if (batch_->size() < kBatchSize) return {};
    Result<void> written = store_.write(*batch_, false);
    batch_->clear();
    return written;
  }

  Result<void> put(std::string_view key, std::string_view value) {
    batch_->put(key, value);
    return flush_if_large();
  }

  Result<void> erase_all(char of_space) {
    const std::string lower(1, of_space);
    const auto cursor = store_.scan(lower, after_prefix(lower));
    for (; cursor->valid(); cursor->next()) {
      batch_->erase(cursor->key());
      if (auto done = flush_if_large(); !done) return done;
    }
    return cursor->status();
  }

  // Everything about one message before the next.
  Result<void> walk_deliveries() {
    const std::string lower(1, space::kDelivery);
    const auto cursor = store_.scan(lower, after_prefix(lower));
    for (; cursor->valid(); cursor->next()) {
      const auto delivery = decode_delivery_key(cursor->key());
      if (!delivery) continue;
      if (delivery->id != id_) {
        if (auto done = end_message(); !done) return done;
        if (auto done = begin_message(delivery->id); !done) return done;
      }
      ++count_;
      if (auto done = add(*delivery, decode_delivery(cursor->key(), cursor->value())); !done) {
        return done;
      }
    }
    if (auto done = end_message(); !done) return done;
    return cursor->status();
  }

  Result<void> begin_message(const MessageId& id) {
    id_ = id;
    message_.reset();
    const std::string key = message_key(id);
    const auto stored = store_.get(key);
    if (!stored && !is_damage(stored.error())) return failure(stored.error());
    if (stored && *stored) message_ = decode_message(key, (*stored)->view());
    return {};
  }

  Result<void> end_message() {
    const std::uint64_t count = std::exchange(count_, 0);
    if (count == 0 || !message_ || message_->deliveries <= 1) return {};
    const std::string key = left_key(id_);
    return put(key, encode_number(key, count));
  }

  Result<void> add(const DeliveryKey& delivery, std::optional<DeliveryRecord> record) {
    const auto known = store_.get(quarantine_key(delivery));
    if (known && *known) return {};
    if (!record) return quarantine(delivery, "its delivery record does not verify");
    if (!message_) {
      return quarantine(delivery, "its message record is missing or does not verify");
    }
    const std::string queue = encode(queue_name(*message_, record->domain));
    QueueRecord& sums =
        queues_.try_emplace(queue, QueueRecord{0, 0, 0, WallTime::max()}).first->second;
    ++sums.deliveries;
    sums.bytes += message_->size;
    if (record->due == kHeld) ++sums.on_hold;
    sums.due_bound = std::min(sums.due_bound, record->due);
    ++deliveries_;
    return put(due_key(queue, {record->due, delivery.id, delivery.number}), {});
  }

  // All of them count; one without any delivery record left has lost it.
  Result<void> walk_messages() {
    const std::string lower(1, space::kMessage);
    const auto cursor = store_.scan(lower, after_prefix(lower));
    for (; cursor->valid(); cursor->next()) {
      const auto id = decode_id(cursor->key());
      if (!id) continue;
      ++totals_.messages;
      totals_.last_id = std::max(totals_.last_id, *id);
      const auto message = decode_message(cursor->key(), cursor->value());
      if (message) totals_.bytes += message->size;
      const std::string first = delivery_key({*id, 0});
      const auto deliveries = store_.scan(first, after_prefix(first.substr(0, 17)));
      if (deliveries->valid()) continue;
      if (auto status = deliveries->status(); !status) return status;
      const auto known = store_.get(quarantine_key({*id, 0}));
      if (known && *known) continue;
      if (auto done = quarantine({*id, 0}, "its delivery records are missing"); !done) return done;
    }
    return cursor->status();
  }

  Result<void> quarantine(const DeliveryKey& delivery, std::string_view why) {
    ++quarantined_;
    log::error("queue", "a stored message is damaged and will not be delivered",
               {{"id", delivery.id.to_string()}, {"delivery", delivery.number}, {"why", why}});
    const std::string key = quarantine_key(delivery);
    return put(key, encode_text(key, why));
  }

  Store& store_;
  std::unique_ptr<Batch> batch_;
  std::map<std::string, QueueRecord> queues_;  // by encoded name
  Totals totals_;
  std::uint64_t deliveries_ = 0;
  std::uint64_t quarantined_ = 0;
  // The message whose deliveries are being read.
  MessageId id_;
  std::optional<Message> message_;
  std::uint64_t count_ = 0;
};

}  // namespace

Result<Totals> rebuild(Store& store) {
  return Rebuild(store).run();
}

}  // namespace postrider::queue
