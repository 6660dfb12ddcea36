#include "queue/commit_group.h"

#include <algorithm>
#include <string_view>

#include "relay/base/check.h"

namespace postrider::queue {

namespace {

// The recipients of one domain after another, each domain where it first occurs, in pieces of at
// most `limit`.
std::vector<DeliveryRecord> split(std::vector<message::Recipient> recipients, std::size_t limit) {
  std::vector<DeliveryRecord> deliveries;
  if (recipients.size() == 1) {
    deliveries.emplace_back().domain = recipients.front().address.domain;
    deliveries.front().recipients = std::move(recipients);
    return deliveries;
  }
  std::unordered_map<std::string, std::size_t> open;  // domain -> the delivery that has room
  for (message::Recipient& recipient : recipients) {
    const auto [at, is_new] = open.try_emplace(recipient.address.domain, deliveries.size());
    if (!is_new && deliveries[at->second].recipients.size() >= limit)
      at->second = deliveries.size();
    if (at->second == deliveries.size()) {
      deliveries.emplace_back().domain = recipient.address.domain;
    }
    deliveries[at->second].recipients.push_back(std::move(recipient));
  }
  return deliveries;
}

}  // namespace

void CommitGroup::add(SubmitOp operation, WallTime now) {
  add_submission(std::move(operation.submission), std::move(operation.done), false, now);
  needs_sync_ = true;
}

void CommitGroup::add_submission(Submission submission, SubmitDone done, bool is_report,
                                 WallTime now) {
  PlannedSubmission planned;
  const std::size_t limit = std::max<std::size_t>(1, core_.options.recipients_per_delivery);
  std::vector<DeliveryRecord> records = split(std::move(submission.recipients), limit);
  auto message = std::make_shared<Message>();
  message->id = submission.id;
  message->envelope = std::move(submission.envelope);
  message->band = submission.band;
  message->size = submission.size();
  if (submission.opened.valid()) message->front = submission.body.size();
  message->arrived = now;
  message->expires = submission.expires;
  message->deliveries = static_cast<std::uint32_t>(records.size());
  for (DeliveryRecord& record : records) {
    PlannedDelivery& delivery = planned.deliveries.emplace_back();
    delivery.name = queue_name(*message, record.domain);
    delivery.record = std::move(record);
    delivery.record.due = std::clamp(submission.not_before, now, kHeld - Milliseconds(1));
  }
  planned.message = std::move(message);
  planned.opened = OpenBodyParts::take(submission.opened);
  bytes_ += submission.body.size() + planned.opened.rest.size();
  planned.body = std::move(submission.body);
  planned.events = std::move(submission.events);
  planned.done = std::move(done);
  planned.is_report = is_report;
  submissions_.push_back(std::move(planned));
}

void CommitGroup::add(FinishOp operation, WallTime now) {
  Completion& completion = operation.completion;
  const Message& message = operation.lease.message();
  PlannedChange change;
  change.delivery = LeaseParts::key(operation.lease);
  change.old_due = LeaseParts::due(operation.lease);
  change.message = LeaseParts::shared_message(operation.lease);
  change.size = message.size;
  change.front = message.front;
  change.deliveries = message.deliveries;
  change.record = LeaseParts::take_record(operation.lease);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < completion.fates.size(); ++i) {
    switch (completion.fates[i]) {
      case Fate::kDelivered:
        ++ends_.delivered;
        break;
      case Fate::kBounced:
        ++ends_.bounced;
        break;
      case Fate::kExpired:
        ++ends_.expired;
        break;
      case Fate::kDeferred: {
        message::Recipient& recipient = change.record.recipients[i];
        if (kept != i) change.record.recipients[kept] = std::move(recipient);
        ++kept;
        break;
      }
    }
  }
  change.record.recipients.resize(kept);
  if (completion.attempted) ++change.record.attempts;
  if (completion.delay_reported) change.record.delay_reported = true;
  if (completion.status.code != 0 || !completion.status.text.empty()) {
    change.record.last_status = std::move(completion.status);
  }
  change.record.due = std::clamp(completion.next_attempt, WallTime(), kHeld - Milliseconds(1));
  change.kind = kept == 0 ? PlannedChange::Kind::kEnded : PlannedChange::Kind::kMoved;
  LeaseParts::disarm(operation.lease);
  changes_.push_back(std::move(change));
  events_ += completion.events;
  if (completion.report) add_submission(std::move(*completion.report), {}, true, now);
}

void CommitGroup::add(AppendOp part) {
  bytes_ += part.part.size();
  parts_.push_back(std::move(part));
}

void CommitGroup::add(AbandonOp abandoned) {
  for (AppendOp& part : parts_) {
    if (part.id == abandoned.id) part.part = {};
  }
  abandoned_.push_back(abandoned);
}

void CommitGroup::add(PlannedChange change) {
  needs_sync_ = true;
  changes_.push_back(std::move(change));
}

void CommitGroup::note_removed(const Message& message,
                               const std::vector<message::Recipient>& recipients) {
  if (core_.removal_lines) events_ += core_.removal_lines(message, recipients);
}

QueueEntry::Plan& CommitGroup::touch(QueueEntry& queue, std::int64_t deliveries, std::int64_t bytes,
                                     WallTime due) {
  QueueEntry::Plan& plan = queue.working().plan;
  if (!plan.touched) {
    plan = {};
    plan.touched = true;
    touched_.push_back(&queue);
  }
  plan.deliveries += deliveries;
  plan.bytes += bytes;
  plan.due_bound = std::min(plan.due_bound, due);
  return plan;
}

// What was asked for while the delivery was leased overrules a deferral, but no other end.
void CommitGroup::decide(DueIndex& index, PlannedChange& change) {
  const DueIndex::Holding* held = index.holding(change.delivery);
  PR_CHECK(held != nullptr, change.record.domain);
  change.queue = held->queue;
  // The work of operators has looked at the verdict itself.
  if (change.kind != PlannedChange::Kind::kMoved || change.message == nullptr) return;
  if (held->verdict == DueIndex::Verdict::kRemove) {
    change.kind = PlannedChange::Kind::kEnded;
    change.removed = change.record.recipients.size();
    note_removed(*change.message, change.record.recipients);
  } else if (held->verdict == DueIndex::Verdict::kHold) {
    change.record.due = kHeld;
  } else if (held->verdict == DueIndex::Verdict::kQuarantine) {
    change.kind = PlannedChange::Kind::kQuarantined;
    change.reason = "its body does not verify";
  }
}

void CommitGroup::plan(DueIndex& index, WallTime now, bool lease) {
  for (PlannedChange& change : changes_) {
    decide(index, change);
    index.leave_bound(change.delivery);
    ends_.removed += change.removed;
    const bool stays = change.kind == PlannedChange::Kind::kMoved;
    QueueEntry::Plan& plan =
        stays ? touch(*change.queue, 0, 0, change.record.due)
              : touch(*change.queue, -1, -static_cast<std::int64_t>(change.size), WallTime::max());
    plan.on_hold += change.on_hold();
  }
  for (PlannedSubmission& submission : submissions_) {
    const Message& message = *submission.message;
    for (std::uint32_t number = 0; number < submission.deliveries.size(); ++number) {
      PlannedDelivery& delivery = submission.deliveries[number];
      delivery.queue = &index.find_or_create(delivery.name);
      const bool is_new =
          index.hold(*delivery.queue, Position{delivery.record.due, message.id, number});
      PR_CHECK(is_new, "a message id was submitted twice");
      const bool is_due = delivery.record.due <= now;
      delivery.leased = lease && is_due && index.lease_fresh({message.id, number}, now);
      touch(*delivery.queue, 1, static_cast<std::int64_t>(message.size), delivery.record.due);
    }
  }
  // What is being written counts through plan.due_bound; leases and cursors add what else is there.
  for (QueueEntry* queue : touched_) {
    QueueEntry::Plan& plan = queue->work->plan;
    plan.due_bound = std::min(plan.due_bound, DueIndex::due_bound(*queue));
  }
}

void CommitGroup::apply_change(DueIndex& index, const PlannedChange& change) {
  QueueEntry& queue = *change.queue;
  index.enter_bound(change.delivery);
  index.release(change.delivery);
  if (change.kind == PlannedChange::Kind::kMoved) {
    index.insert(queue, Position{change.record.due, change.delivery.id, change.delivery.number});
    index.count(queue, 0, 0, change.on_hold());
  } else {
    index.count(queue, -1, -static_cast<std::int64_t>(change.size), change.on_hold());
  }
  if (change.message_gone) core_.take_back_admission(queue.tenant(), change.size);
  if (change.kind == PlannedChange::Kind::kQuarantined) core_.metrics.quarantined.add();
}

void CommitGroup::apply_changes(DueIndex& index) {
  for (const PlannedChange& change : changes_) apply_change(index, change);
}

void CommitGroup::apply(DueIndex& index) {
  apply_changes(index);
  for (const PlannedSubmission& submission : submissions_) apply_submission(index, submission);
  commit_tenants();
  lower_water();
}

void CommitGroup::apply_submission(DueIndex& index, const PlannedSubmission& submission) {
  const Message& message = *submission.message;
  if (submission.is_report) {
    core_.take_in(message.envelope.tenant, message.size);
  }
  for (std::uint32_t number = 0; number < submission.deliveries.size(); ++number) {
    const PlannedDelivery& delivery = submission.deliveries[number];
    index.count(*delivery.queue, 1, static_cast<std::int64_t>(message.size));
    if (delivery.leased) continue;
    index.release({message.id, number});
    index.insert(*delivery.queue, Position{delivery.record.due, message.id, number});
  }
}

void CommitGroup::apply_without_submissions(DueIndex& index) {
  apply_changes(index);
  for (PlannedSubmission& submission : submissions_) {
    if (!submission.is_report) continue;
    for (PlannedDelivery& delivery : submission.deliveries) delivery.leased = false;
    apply_submission(index, submission);
  }
  std::erase_if(submissions_, [](const PlannedSubmission& one) { return one.is_report; });
  // Those that are left will be erased: their tenants are as if they had never been.
  for (const PlannedSubmission& submission : submissions_) {
    const Message& message = *submission.message;
    add_to_tenant(message.envelope.tenant, -1, message.size);
  }
  commit_tenants();
}

void CommitGroup::commit_tenants() {
  auto tenants = core_.tenants.lock();
  for (auto& [tenant, change] : tenants_) {
    tenants->commit(tenant, change);
    change = {};
  }
}

void CommitGroup::cancel_changes() {
  {
    auto index = core_.index.lock();
    for (const PlannedChange& change : changes_) index->enter_bound(change.delivery);
  }
  for (const PlannedChange& change : changes_) core_.give_back(change.delivery);
}

void CommitGroup::cancel_submissions(DueIndex& index) {
  for (const PlannedSubmission& submission : submissions_) {
    for (std::uint32_t number = 0; number < submission.deliveries.size(); ++number) {
      index.release({submission.message->id, number});
    }
    const Message& message = *submission.message;
    if (!submission.is_report) core_.take_back_admission(message.envelope.tenant, message.size);
  }
}

void CommitGroup::settle(DueIndex& index) {
  for (QueueEntry* queue : touched_) {
    queue->work->plan = {};
    if (queue->deliveries == 0) index.retire(*queue);
    DueIndex::rest(*queue);
  }
  touched_.clear();
  index.sweep();
}

void CommitGroup::find_bounds(DueIndex& /*locked*/) {
  for (QueueEntry* queue : touched_) queue->work->plan.due_bound = DueIndex::due_bound(*queue);
}

std::vector<Lease> CommitGroup::take_leases() {
  std::vector<Lease> leases;
  for (PlannedSubmission& submission : submissions_) {
    std::optional<message::Body> body;
    for (std::uint32_t number = 0; number < submission.deliveries.size(); ++number) {
      PlannedDelivery& delivery = submission.deliveries[number];
      if (!delivery.leased) continue;
      const std::uint64_t size = submission.message->size;
      const bool is_in_memory = submission.message->front == 0;
      if (!body && is_in_memory && *core_.lease_bytes + size <= core_.options.lease_bytes_max) {
        body = core_.track(submission.body);
      }
      leases.push_back(
          LeaseParts::make(core_, submission.message, number, std::move(delivery.record)));
      if (body) LeaseParts::set_body(leases.back(), *body);
    }
  }
  return leases;
}

void CommitGroup::count_ends() const {
  if (ends_.delivered > 0) core_.metrics.delivered.add(ends_.delivered);
  if (ends_.bounced > 0) core_.metrics.bounced.add(ends_.bounced);
  if (ends_.expired > 0) core_.metrics.expired.add(ends_.expired);
  if (ends_.removed > 0) core_.metrics.removed.add(ends_.removed);
}

Totals CommitGroup::totals_without_submissions() const {
  Totals totals = after_;
  totals.messages -= submissions_.size();
  for (const PlannedSubmission& submission : submissions_) totals.bytes -= submission.message->size;
  return totals;
}

void CommitGroup::drop() {
  std::vector<PlannedChange> changes = std::move(changes_);
  clear();
  for (const PlannedChange& change : changes) core_.give_back(change.delivery);
}

void CommitGroup::clear() {
  PR_CHECK(touched_.empty());
  submissions_.clear();
  changes_.clear();
  marks_.clear();
  parts_.clear();
  abandoned_.clear();
  left_.clear();
  tenants_.clear();
  events_.clear();
  bytes_ = 0;
  needs_sync_ = false;
  ends_ = {};
}

}  // namespace postrider::queue
