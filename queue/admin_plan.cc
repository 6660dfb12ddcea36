#include "queue/admin_plan.h"

#include <algorithm>

namespace postrider::queue {

namespace {

using Verdict = DueIndex::Verdict;

constexpr const char* kUnreadable = "its delivery record does not verify";

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
    if (message_) change.front = message_->front;
    if (message_) change.deliveries = message_->deliveries;
    if (operation_.held) {
      add_held(std::move(change), std::move(record));
      return true;
    }
    if (!record || !message_) return false;  // ended meanwhile, or damaged
    return add_free(std::move(change), std::move(*record));
  }

  // The index entry of a held delivery is where its holding says, even if the record is unreadable.
  // What is to be done is what its verdict says by now.
  void add_held(PlannedChange change, std::optional<DeliveryRecord> record) {
    Verdict verdict = Verdict::kNone;
    {
      auto index = core_.index.lock();
      const DueIndex::Holding* held = index->holding(change.delivery);
      change.old_due = held->due;
      verdict = held->verdict;
    }
    if (record) change.old_due = record->due;
    if (verdict == Verdict::kQuarantine || !record) {
      change.kind = PlannedChange::Kind::kQuarantined;
      change.reason = operation_.reason.empty() ? kUnreadable : operation_.reason;
    } else if (verdict == Verdict::kRemove) {
      end(change, *record);
    } else {
      move(change, std::move(*record), verdict == Verdict::kHold ? kHeld : change.old_due);
    }
    group_.add(std::move(change));
  }

  bool add_free(PlannedChange change, DeliveryRecord record) {
    // A removal that was asked for before the process died comes before all else.
    const bool is_removal =
        operation_.kind == AdminOp::Kind::kRemove || record.asked == Asked::kRemove;
    WallTime due = kHeld;
    {
      auto index = core_.index.lock();
      if (DueIndex::Holding* held = index->holding(change.delivery); held != nullptr) {
        return ask(change.delivery, *held, std::move(record));
      }
      if (!is_removal) {
        const auto wanted = new_due(record);
        if (!wanted) return false;
        if (*wanted == record.due && record.asked == Asked::kNothing) return true;
        due = *wanted;
      }
      QueueEntry& queue = index->find_or_create(queue_name(*message_, record.domain));
      index->hold(queue, {record.due, change.delivery.id, change.delivery.number});
    }
    change.old_due = record.due;
    is_removal ? end(change, record) : move(change, std::move(record), due);
    group_.add(std::move(change));
    return true;
  }

  // When a delivery that nobody has is due after the operation; nullopt: that does not concern it.
  [[nodiscard]] std::optional<WallTime> new_due(const DeliveryRecord& record) const {
    const bool is_held = record.due == kHeld;
    switch (operation_.kind) {
      case AdminOp::Kind::kHold:
        return kHeld;
      case AdminOp::Kind::kRelease:
        if (is_held) return soonest();
        if (record.asked == Asked::kHold) return record.due;
        return std::nullopt;
      default:
        if (is_held || record.asked == Asked::kHold) return std::nullopt;
        return std::min(record.due, soonest());
    }
  }

  // No operator sends what its sender wants to be sent later (RFC 4865 section 4.2).
  [[nodiscard]] WallTime soonest() const {
    return message_ ? std::max(now_, message_->envelope.release) : now_;
  }

  // The delivery is leased: memory and disk are told what becomes of it. Whether that concerns it.
  bool ask(const DeliveryKey& delivery, DueIndex::Holding& held, DeliveryRecord record) {
    const bool may_change = held.verdict == Verdict::kNone || held.verdict == Verdict::kHold;
    switch (operation_.kind) {
      case AdminOp::Kind::kRemove:
        if (!may_change) return true;
        held.verdict = Verdict::kRemove;
        record.asked = Asked::kRemove;
        break;
      case AdminOp::Kind::kHold:
        if (held.verdict != Verdict::kNone) return true;
        held.verdict = Verdict::kHold;
        record.asked = Asked::kHold;
        break;
      case AdminOp::Kind::kRelease:
        if (held.verdict != Verdict::kHold) return false;
        held.verdict = Verdict::kNone;
        record.asked = Asked::kNothing;
        break;
      default:
        // Being attempted; or the reader has met a place that it has left, which is no attempt.
        return held.due == record.due;
    }
    group_.add(PlannedMark{delivery, std::move(record)});
    return true;
  }

  void end(PlannedChange& change, const DeliveryRecord& record) {
    change.removed = record.recipients.size();
    if (message_) group_.note_removed(*message_, record.recipients);
  }

  static void move(PlannedChange& change, DeliveryRecord record, WallTime due) {
    change.kind = PlannedChange::Kind::kMoved;
    change.record = std::move(record);
    change.record.due = due;
    change.record.asked = Asked::kNothing;
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
