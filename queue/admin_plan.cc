#include "queue/admin_plan.h"

#include <algorithm>

namespace postrider::queue {

namespace {

class AdminPlan {
 public:
  AdminPlan(Core& core, const AdminOp& operation, WallTime now, CommitGroup& group)
      : core_(core), operation_(operation), now_(now), group_(group) {}

  // Whether a delivery of the message matched.
  Result<bool> add(const AdminOp::Target& target) {
    const std::string key = message_key(target.id);
    const auto stored = core_.store.get(key);
    if (!stored && !is_damage(stored.error())) return failure(stored.error());
    message_.reset();
    if (stored && *stored) message_ = decode_message(key, (*stored)->view());
    bool matched = false;
    for (const std::uint32_t number : target.numbers) {
      const auto one = add({target.id, number});
      if (!one) return failure(one.error());
      matched = matched || *one;
    }
    return matched;
  }

 private:
  Result<bool> add(const DeliveryKey& delivery) {
    const std::string key = delivery_key(delivery);
    const auto stored = core_.store.get(key);
    if (!stored && !is_damage(stored.error())) return failure(stored.error());
    std::optional<DeliveryRecord> record;
    if (stored && *stored) record = decode_delivery(key, (*stored)->view());
    PlannedChange change;
    change.delivery = delivery;
    if (message_) change.size = message_->size;
    if (message_) change.deliveries = message_->deliveries;
    if (operation_.held) {
      add_held(std::move(change), std::move(record));
      return true;
    }
    if (!record || !message_) return false;  // ended meanwhile, or damaged
    return add_free(std::move(change), std::move(*record));
  }

  // The index entry of a held delivery is where its holding says, even if the record is unreadable.
  void add_held(PlannedChange change, std::optional<DeliveryRecord> record) {
    change.old_due = core_.index.lock()->holding(change.delivery)->due;
    if (record) change.old_due = record->due;
    if (operation_.kind == AdminOp::Kind::kQuarantine || !record) {
      change.kind = PlannedChange::Kind::kQuarantined;
      change.reason = operation_.reason;
    } else {
      change.removed = record->recipients.size();
      if (message_) group_.note_removed(*message_, record->recipients);
    }
    group_.add(std::move(change));
  }

  bool add_free(PlannedChange change, DeliveryRecord record) {
    const bool is_removal = operation_.kind == AdminOp::Kind::kRemove;
    {
      auto index = core_.index.lock();
      if (DueIndex::Holding* held = index->holding(change.delivery); held != nullptr) {
        if (is_removal) held->verdict = DueIndex::Verdict::kRemove;
        return true;
      }
      if (!is_removal && record.due <= now_) return true;  // due as it is
      const message::Envelope& envelope = message_->envelope;
      QueueEntry& queue =
          index->find_or_create({record.domain, envelope.tenant, envelope.campaign});
      index->hold(queue, {record.due, change.delivery.id, change.delivery.number});
    }
    change.old_due = record.due;
    if (is_removal) {
      change.removed = record.recipients.size();
      group_.note_removed(*message_, record.recipients);
    } else {
      change.kind = PlannedChange::Kind::kMoved;
      change.record = std::move(record);
      change.record.due = now_;
    }
    group_.add(std::move(change));
    return true;
  }

  Core& core_;
  const AdminOp& operation_;
  WallTime now_;
  CommitGroup& group_;
  std::optional<Message> message_;  // of the target at hand; nullopt: gone or damaged
};

}  // namespace

Result<std::uint64_t> plan_admin(Core& core, const AdminOp& operation, WallTime now,
                                 CommitGroup& group) {
  AdminPlan plan(core, operation, now, group);
  std::uint64_t matched = 0;
  for (const AdminOp::Target& target : operation.targets) {
    const auto one = plan.add(target);
    if (!one) return failure(one.error());
    if (*one) ++matched;
  }
  return matched;
}

}  // namespace postrider::queue
