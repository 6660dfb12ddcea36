#include "queue/reader.h"

#include <algorithm>

#include "queue/selection.h"
#include "relay/base/log.h"

namespace postrider::queue {

namespace {

// Bodies loaded and turns given in one step, so that neither keeps the other waiting.
constexpr std::size_t kBodiesPerStep = 16;
constexpr std::size_t kTurnsPerStep = 16;
// Of a job in one step.
constexpr std::size_t kJobMatches = 256;
constexpr std::size_t kJobLooks = 1024;

Error stopping() {
  return Error("the queue is stopping");
}

void refuse(BodyRequest request) {
  request.done(std::move(request.lease), Result<void>(failure(stopping())));
}

void refuse(PieceRequest request) {
  request.done(failure(stopping()));
}

// The place right behind a position.
Position after(const Position& position) {
  Position next = position;
  if (++next.number == 0 && ++next.id.low == 0) ++next.id.high;
  return next;
}

}  // namespace

// What one turn of one queue has come to.
struct Reader::Turn {
  std::size_t room = 0;  // leases it may still take
  std::vector<Position> leased;
  Position cursor;  // everything below has been seen
};

bool Reader::step() {
  core_.watch_write();
  const bool bodies = read_bodies();
  const bool jobs = run_jobs();
  const bool turns = give_turns();
  return bodies || jobs || turns;
}

std::optional<Duration> Reader::wait_limit() {
  const auto wake = core_.index.lock()->next_wake();
  if (!wake) return std::nullopt;
  const TimePoint now = core_.clock.now();
  if (now < paused_until_) return paused_until_ - now;
  if (write_is_slow()) return kErrorPause;
  return std::max<Duration>(
      Milliseconds(1), *wake <= core_.clock.wall() ? Milliseconds(0) : *wake - core_.clock.wall());
}

bool Reader::write_is_slow() const {
  return core_.write_age() > kSlowWrite;
}

void Reader::pause(const Error& error) {
  core_.metrics.store_errors.add();
  log::error("queue", "reading the store failed", {{"why", error.text()}});
  paused_until_ = core_.clock.now() + kErrorPause;
}

// --- bodies ---

bool Reader::read_bodies() {
  bool worked = false;
  for (std::size_t i = 0; i < kBodiesPerStep; ++i) {
    std::variant<BodyRequest, PieceRequest> request;
    {
      auto work = core_.reader_work.lock();
      if (work->bodies.empty()) break;
      request = std::move(work->bodies.front());
      work->bodies.pop_front();
    }
    std::visit([this](auto& one) { read(std::move(one)); }, request);
    worked = true;
  }
  return worked;
}

void Reader::read(BodyRequest request) {
  const Message& message = request.lease.message();
  const BodyLayout layout = layout_of(message);
  auto body = load_chunks(message.id, layout, 0, layout.chunks());
  if (!body) {
    if (is_damage(body.error())) {
      core_.condemn(LeaseParts::key(request.lease), body.error().text());
    }
    return request.done(std::move(request.lease), Result<void>(failure(body.error())));
  }
  LeaseParts::set_body(request.lease, core_.track(*body));
  request.done(std::move(request.lease), Result<void>());
}

void Reader::read(PieceRequest request) {
  const std::uint32_t first = request.number * kChunksPerPiece;
  const std::uint32_t end = std::min(first + kChunksPerPiece, request.layout.chunks());
  auto piece = load_chunks(request.id, request.layout, first, end);
  if (!piece) return request.done(failure(piece.error()));
  request.done(core_.track(*piece));
}

// What does not verify, is missing or has not its length is_damage().
Result<message::Body> Reader::load_chunks(const MessageId& id, const BodyLayout& layout,
                                          std::uint32_t first, std::uint32_t end) {
  message::Body body;
  for (std::uint32_t number = first; number < end; ++number) {
    const std::string key = body_key(id, number);
    auto stored = core_.store.get(key);
    if (!stored && !is_damage(stored.error())) {
      core_.metrics.store_errors.add();
      return failure(stored.error());
    }
    std::optional<Chunk> chunk;
    if (stored && *stored) chunk = open_body_chunk(key, **stored);
    if (!chunk || chunk->size() != layout.octets(number)) {
      return failure("the body of " + id.to_string() + " is damaged or missing", EBADMSG);
    }
    body.append(std::move(*chunk));
  }
  return body;
}

// --- jobs ---

bool Reader::run_jobs() {
  std::shared_ptr<Job> job;
  {
    auto work = core_.reader_work.lock();
    if (work->jobs.empty()) return false;
    job = std::move(work->jobs.front());
    work->jobs.pop_front();
  }
  return run(job);
}

bool Reader::run(const std::shared_ptr<Job>& job) {
  const MessageId from = std::max(job->from, core_.low_water.lock()->mark());
  Selection selection(core_.store, job->selector, from);
  auto found = selection.next(kJobMatches, kJobLooks);
  AdminOp operation;
  operation.kind = job->kind;
  std::optional<Error> error;
  if (!found) {
    error = found.error();
    core_.metrics.store_errors.add();
  } else {
    for (const FoundMessage& one : *found) {
      AdminOp::Target& target = operation.targets.emplace_back();
      target.id = one.message.id;
      for (const FoundDelivery& delivery : one.deliveries) {
        if (delivery.matches) target.numbers.push_back(delivery.number);
      }
    }
  }
  job->from = selection.from();
  job->ended = error || selection.ended();
  operation.sync = job->ended;
  // Also with nothing to do: the answer is the commit thread's to give.
  operation.done = [&core = core_, job, error](Result<std::uint64_t> matched) {
    if (error) return core.end_job(*job, failure(*error));
    if (!matched) return core.end_job(*job, failure(matched.error()));
    job->matched += *matched;
    if (job->ended) return core.end_job(*job, job->matched);
    core.continue_job(job);
  };
  core_.enqueue(std::move(operation));
  return true;
}

// --- what is due ---

bool Reader::give_turns() {
  if (core_.clock.now() < paused_until_ || write_is_slow() || core_.failed) return false;
  const WallTime now = core_.clock.wall();
  std::vector<Lease> leases;
  bool worked = false;
  for (std::size_t i = 0; i < kTurnsPerStep && core_.clock.now() >= paused_until_; ++i) {
    QueueEntry* queue = core_.index.lock()->next_scan(now);
    if (queue == nullptr) break;
    give_turn(*queue, now, leases);
    worked = true;
  }
  last_message_.reset();
  if (!leases.empty()) core_.consumer->deliver(std::move(leases));
  return worked;
}

void Reader::give_turn(QueueEntry& queue, WallTime now, std::vector<Lease>& leases) {
  Turn turn;
  take_returned(queue, turn);
  if (turn.room > 0) {
    auto scanned = scan(queue, now, turn);
    if (!scanned && is_damage(scanned.error())) {
      set_aside(queue, turn);
    } else if (!scanned) {
      pause(scanned.error());
    }
  }
  core_.index.lock()->end_scan(queue, turn.cursor, now);
  load(turn, leases);
}

// What is beyond the damage cannot be reached before a repair; other queues go on.
void Reader::set_aside(const QueueEntry& queue, Turn& turn) {
  core_.metrics.store_errors.add();
  log::error("queue", "the due index of a queue is damaged: its mail waits for the next start",
             {{"domain", queue.name().domain}, {"deliveries", queue.deliveries}});
  turn.cursor = Position::end();
}

void Reader::take_returned(QueueEntry& queue, Turn& turn) {
  auto index = core_.index.lock();
  turn.cursor = queue.cursor;
  auto& returned = queue.work->returned;
  turn.room = std::min(kTurn, index->room(queue));
  while (turn.room > 0 && !returned.empty()) {
    const Position position = *returned.begin();
    returned.erase(returned.begin());
    if (!index->lease(queue, position)) continue;
    turn.leased.push_back(position);
    --turn.room;
  }
}

Result<void> Reader::scan(QueueEntry& queue, WallTime now, Turn& turn) {
  if (turn.cursor.due > now) return {};
  const std::string lower = due_key(queue.key(), turn.cursor);
  std::string upper(1, space::kDue);
  upper += queue.key();
  const auto cursor = core_.store.scan(lower, after_prefix(upper));
  std::vector<Position> found;
  for (std::size_t looks = 0; cursor->valid() && looks < kLooksMax; ++looks, cursor->next()) {
    const auto position = decode_position(cursor->key(), queue.key());
    if (!position) continue;  // not a key this queue wrote
    if (position->due > now) {
      if (take(queue, found, turn)) turn.cursor = *position;
      return {};
    }
    found.push_back(*position);
    if (found.size() < kTurn) continue;
    if (!take(queue, found, turn)) return {};
    found.clear();
  }
  const bool at_end = !cursor->valid();
  if (auto status = cursor->status(); !status) return status;
  if (take(queue, found, turn) && at_end) turn.cursor = Position::end();
  return {};
}

// Leases what is free of `found` and moves the turn's cursor past them; false: the room ended
// first.
bool Reader::take(QueueEntry& queue, const std::vector<Position>& found, Turn& turn) {
  auto index = core_.index.lock();
  turn.room = std::min(turn.room, index->room(queue));
  for (const Position& position : found) {
    if (turn.room == 0) {
      turn.cursor = position;
      return false;
    }
    if (index->lease(queue, position)) {
      turn.leased.push_back(position);
      --turn.room;
    }
    turn.cursor = after(position);
  }
  return true;
}

void Reader::load(const Turn& turn, std::vector<Lease>& leases) {
  for (const Position& position : turn.leased) {
    auto lease = load_one(position);
    if (!lease) {
      pause(lease.error());
      core_.give_back(position.delivery());
    } else if (*lease) {
      leases.push_back(std::move(**lease));
    }
  }
}

// Nobody else changes a leased delivery, so what is read now is what it is. Nullopt: the index
// entry was stale (seen in a view of the disk from before the delivery ended or moved), or the
// delivery is damaged and on its way to quarantine.
Result<std::optional<Lease>> Reader::load_one(const Position& position) {
  const DeliveryKey delivery = position.delivery();
  const std::string key = delivery_key(delivery);
  const auto stored = core_.store.get(key);
  if (!stored && !is_damage(stored.error())) return failure(stored.error());
  if (stored && !*stored) {
    core_.drop_stale(delivery);
    return std::optional<Lease>();
  }
  std::optional<DeliveryRecord> record;
  if (stored) record = decode_delivery(key, (*stored)->view());
  if (!record) {
    core_.condemn(delivery, "its delivery record does not verify");
    core_.give_back(delivery);
    return std::optional<Lease>();
  }
  if (record->due != position.due) {
    core_.drop_stale(delivery);
    return std::optional<Lease>();
  }
  if (record->asked != Asked::kNothing) {
    // Asked for during a lease that an earlier process did not end.
    core_.carry_out(delivery, record->asked);
    return std::optional<Lease>();
  }
  auto message = load_message(delivery);
  if (!message) return failure(message.error());
  if (*message == nullptr) {
    core_.condemn(delivery, "its message record is missing or does not verify");
    core_.give_back(delivery);
    return std::optional<Lease>();
  }
  return std::optional<Lease>(
      LeaseParts::make(core_, std::move(*message), delivery.number, std::move(*record)));
}

Result<std::shared_ptr<const Message>> Reader::load_message(const DeliveryKey& delivery) {
  if (last_message_ && last_message_->id == delivery.id) return last_message_;
  const std::string key = message_key(delivery.id);
  const auto stored = core_.store.get(key);
  if (!stored && !is_damage(stored.error())) return failure(stored.error());
  std::optional<Message> message;
  if (stored && *stored) message = decode_message(key, (*stored)->view());
  if (!message) return std::shared_ptr<const Message>();
  last_message_ = std::make_shared<const Message>(std::move(*message));
  return last_message_;
}

void Reader::close() {
  std::deque<std::variant<BodyRequest, PieceRequest>> bodies;
  std::deque<std::shared_ptr<Job>> jobs;
  {
    auto work = core_.reader_work.lock();
    work->closed = true;
    bodies.swap(work->bodies);
    jobs.swap(work->jobs);
  }
  for (auto& request : bodies) std::visit([](auto& one) { refuse(std::move(one)); }, request);
  for (const auto& job : jobs) core_.end_job(*job, failure(stopping()));
}

}  // namespace postrider::queue
