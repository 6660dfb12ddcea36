// The half of CommitGroup that turns a plan into a batch.
#include <algorithm>
#include <string_view>

#include "queue/commit_group.h"

namespace postrider::queue {

namespace {

// Of a body with a front: the chunk that begins so many octets behind it.
std::uint32_t chunk_behind(std::uint64_t octets) {
  return 1 + static_cast<std::uint32_t>(octets / kBodyChunkSize);
}

void erase_chunks(Batch& batch, const MessageId& id, const BodyLayout& layout) {
  const std::uint32_t chunks = layout.chunks();
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) batch.erase(body_key(id, chunk));
}

}  // namespace

Result<void> CommitGroup::encode(Batch& batch, const Totals& before) {
  after_ = before;
  ++after_.sequence;
  for (PlannedChange& change : changes_) {
    if (auto done = encode(batch, change); !done) return done;
  }
  for (const PlannedMark& mark : marks_) {
    const std::string key = delivery_key(mark.delivery);
    batch.put(key, queue::encode(key, mark.record));
  }
  for (const auto& [id, left] : left_) {
    const std::string key = left_key(id);
    left == 0 ? batch.erase(key) : batch.put(key, encode_number(key, left));
  }
  for (const AbandonOp& abandoned : abandoned_) encode(batch, abandoned);
  for (const AppendOp& part : parts_) encode(batch, part);
  for (const PlannedSubmission& submission : submissions_) encode(batch, submission);
  encode_tenants(batch, true);
  for (const QueueEntry* queue : touched_) {
    const QueueEntry::Plan& plan = queue->work->plan;
    encode_queue(batch, *queue,
                 {queue->deliveries + static_cast<std::uint64_t>(plan.deliveries),
                  queue->bytes + static_cast<std::uint64_t>(plan.bytes),
                  queue->on_hold + static_cast<std::uint64_t>(plan.on_hold), plan.due_bound});
  }
  // Lowered here, so that a walk under way counts it in, and once more when it is on disk: a walk
  // that began between has not seen it.
  after_.low_water = lower_water();
  const std::string key = state_key("totals");
  batch.put(key, queue::encode(key, after_));
  return {};
}

// No message on disk, or on its way there with this group, has a lower id than what it returns.
MessageId CommitGroup::lower_water() {
  auto low_water = core_.low_water.lock();
  for (const PlannedSubmission& submission : submissions_) low_water->lower(submission.message->id);
  return low_water->mark();
}

void CommitGroup::add_to_tenant(std::string_view tenant, std::int64_t messages,
                                std::uint64_t size) {
  auto at = tenants_.find(tenant);
  if (at == tenants_.end()) at = tenants_.emplace(tenant, TenantChange()).first;
  at->second.messages += messages;
  at->second.bytes += messages * static_cast<std::int64_t>(size);
}

void CommitGroup::encode_tenants(Batch& batch, bool with_changes) {
  auto tenants = core_.tenants.lock();
  for (const auto& [tenant, change] : tenants_) {
    const std::string key = tenant_key(tenant);
    const TenantRecord record = tenants->committed(tenant, with_changes ? change : TenantChange());
    record.messages == 0 ? batch.erase(key) : batch.put(key, queue::encode(key, record));
  }
}

void CommitGroup::encode_queue(Batch& batch, const QueueEntry& queue, const QueueRecord& record) {
  const std::string key = queue_key(queue.key());
  if (record.deliveries == 0) return batch.erase(key);
  QueueRecord written = record;
  // "Never" for a queue that has deliveries would hide them from the next start.
  if (written.due_bound == WallTime::max()) written.due_bound = WallTime();
  batch.put(key, queue::encode(key, written));
}

void CommitGroup::encode(Batch& batch, const PlannedSubmission& submission) {
  const Message& message = *submission.message;
  const std::string key = message_key(message.id);
  batch.put(key, queue::encode(key, message));
  if (message.deliveries > 1) {
    const std::string left = left_key(message.id);
    batch.put(left, encode_number(left, message.deliveries));
  }
  for (std::uint32_t number = 0; number < submission.deliveries.size(); ++number) {
    const PlannedDelivery& delivery = submission.deliveries[number];
    const std::string record = delivery_key({message.id, number});
    batch.put(record, queue::encode(record, delivery.record));
    batch.put(due_key(delivery.queue->key(), Position{delivery.record.due, message.id, number}),
              std::string_view());
  }
  encode_body(batch, submission);
  add_to_tenant(message.envelope.tenant, 1, message.size);
  ++after_.messages;
  after_.bytes += message.size;
  after_.last_id = std::max(after_.last_id, message.id);
}

void CommitGroup::encode_body(Batch& batch, const PlannedSubmission& submission) {
  const Message& message = *submission.message;
  if (message.front == 0) return encode_chunks(batch, message.id, 0, submission.body);
  const std::uint64_t written = submission.opened.written;
  if (written > 0) batch.erase(open_key(message.id));
  encode_chunks(batch, message.id, 0, submission.body, message.front);
  encode_chunks(batch, message.id, chunk_behind(written), submission.opened.rest);
}

// The first of a body carries the mark, so that no chunk is there without it.
void CommitGroup::encode(Batch& batch, const AppendOp& part) {
  if (part.part.size() == 0) return;
  const std::string mark = open_key(part.id);
  if (part.offset == 0) batch.put(mark, encode_mark(mark));
  encode_chunks(batch, part.id, chunk_behind(part.offset), part.part);
}

void CommitGroup::encode(Batch& batch, const AbandonOp& abandoned) {
  batch.erase(open_key(abandoned.id));
  const std::uint32_t end = chunk_behind(abandoned.written);
  for (std::uint32_t chunk = chunk_behind(0); chunk < end; ++chunk) {
    batch.erase(body_key(abandoned.id, chunk));
  }
}

void CommitGroup::encode_chunks(Batch& batch, const MessageId& id, std::uint32_t first,
                                const message::Body& text, std::size_t chunk_size) {
  std::uint32_t number = first;
  std::size_t room = chunk_size;
  pieces_.clear();
  const auto flush = [&] {
    const std::string key = body_key(id, number++);
    const auto trailer = body_trailer(key, pieces_);
    pieces_.emplace_back(trailer.data(), trailer.size());
    batch.put(key, pieces_);
    pieces_.clear();
    room = chunk_size;
  };
  for (const Chunk& chunk : text.chunks()) {
    for (std::string_view rest = chunk.view(); !rest.empty();) {
      const std::string_view piece = rest.substr(0, room);
      pieces_.push_back(piece);
      rest.remove_prefix(piece.size());
      room -= piece.size();
      if (room == 0) flush();
    }
  }
  if (!pieces_.empty()) flush();
}

// How many deliveries of the message remain after this one.
Result<std::uint32_t> CommitGroup::take_one_left(const PlannedChange& change) {
  if (change.deliveries == 1) return 0U;
  const MessageId& id = change.delivery.id;
  auto at = left_.find(id);
  if (at == left_.end()) {
    const std::string key = left_key(id);
    const auto stored = core_.store.get(key);
    if (!stored && !is_damage(stored.error())) return failure(stored.error());
    std::optional<std::uint64_t> left;
    if (stored && *stored) left = decode_number(key, (*stored)->view());
    if (!left) {
      // Missing or damaged: the delivery records themselves tell.
      left = 0;
      const std::string first = delivery_key({id, 0});
      const auto cursor = core_.store.scan(first, after_prefix(first.substr(0, 17)));
      for (; cursor->valid(); cursor->next()) ++*left;
      if (auto status = cursor->status(); !status) {
        if (!is_damage(status.error())) return failure(status.error());
        ++*left;  // what cannot be seen may be there: the message stays
      }
    }
    at = left_.emplace(id, static_cast<std::uint32_t>(*left)).first;
  }
  if (at->second > 0) --at->second;
  return at->second;
}

Result<void> CommitGroup::encode(Batch& batch, PlannedChange& change) {
  const MessageId& id = change.delivery.id;
  const std::uint32_t number = change.delivery.number;
  batch.erase(due_key(change.queue->key(), Position{change.old_due, id, number}));
  const std::string record = delivery_key(change.delivery);
  switch (change.kind) {
    case PlannedChange::Kind::kMoved:
      batch.put(record, queue::encode(record, change.record));
      batch.put(due_key(change.queue->key(), Position{change.record.due, id, number}),
                std::string_view());
      return {};
    case PlannedChange::Kind::kQuarantined: {
      // Message, delivery and body stay where they are, for whoever wants to look.
      const std::string key = quarantine_key(change.delivery);
      batch.put(key, encode_text(key, change.reason));
      return {};
    }
    case PlannedChange::Kind::kEnded:
      break;
  }
  batch.erase(record);
  const auto left = take_one_left(change);
  if (!left) return failure(left.error());
  change.message_gone = *left == 0;
  if (!change.message_gone) return {};
  batch.erase(message_key(id));
  erase_chunks(batch, id, {change.size, change.front});
  add_to_tenant(change.queue->tenant(), -1, change.size);
  after_.messages -= std::min<std::uint64_t>(1, after_.messages);
  after_.bytes -= std::min(change.size, after_.bytes);
  return {};
}

void CommitGroup::encode_repair(Batch& batch, const Totals& now) {
  for (const PlannedSubmission& submission : submissions_) {
    const MessageId& id = submission.message->id;
    batch.erase(message_key(id));
    batch.erase(left_key(id));
    for (std::uint32_t number = 0; number < submission.deliveries.size(); ++number) {
      const PlannedDelivery& delivery = submission.deliveries[number];
      batch.erase(delivery_key({id, number}));
      batch.erase(due_key(delivery.queue->key(), Position{delivery.record.due, id, number}));
    }
    erase_chunks(batch, id, layout_of(*submission.message));
    if (submission.opened.written > 0) batch.erase(open_key(id));
  }
  for (const AbandonOp& abandoned : abandoned_) encode(batch, abandoned);
  for (const QueueEntry* queue : touched_) {
    encode_queue(batch, *queue,
                 {queue->deliveries, queue->bytes, queue->on_hold, queue->work->plan.due_bound});
  }
  encode_tenants(batch, false);
  const std::string key = state_key("totals");
  batch.put(key, queue::encode(key, now));
}

}  // namespace postrider::queue
