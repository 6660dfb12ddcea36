#include "queue/core.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <limits>

#include "relay/base/check.h"
#include "relay/base/log.h"

namespace postrider::queue {

using metrics::Metric;

namespace {

constexpr const char* kDamagedBody = "its body does not verify";

// Of the text, what is not on disk yet.
std::size_t held_octets(const Submission& submission) {
  return submission.body.size() + OpenBodyParts::held(submission.opened);
}

void check_opened(const Submission& submission) {
  if (!submission.opened.valid()) return;
  const std::size_t front = submission.body.size();
  PR_CHECK(front > 0 && front <= OpenBody::kFrontMax, submission.id.to_string());
  PR_CHECK(OpenBodyParts::is_ready(submission.opened, submission.id), submission.id.to_string());
}

// As good as a kill, which the next start is made for. Not 0, so that a supervisor starts anew.
void exit_with(const std::string& why) {
  log::error("queue", "the process ends, so that the next start reads what is there",
             {{"why", why}});
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

WaitingShare waiting_share(const Operation& operation) {
  if (const auto* submit = std::get_if<SubmitOp>(&operation)) {
    return {1, held_octets(submit->submission)};
  }
  if (const auto* append = std::get_if<AppendOp>(&operation)) return {1, append->part.size()};
  return {};
}

void AppendOp::answer(Refusal refusal) {
  if (!done) return;
  *state = refusal == Refusal::kNone ? PartState::kDone : PartState::kRefused;
  std::exchange(done, {})(refusal);
}

// The registry may be asked for its text after the queue has gone.
struct Core::Collector {
  Guarded<Core*> core;
};

Core::Core(const Options& wanted, Store& disk, const Clock& time, Random& random,
           metrics::Registry& registry, EventSink sink, RemovalLines removal, const Totals& on_disk)
    : options(wanted),
      store(disk),
      clock(time),
      events(std::move(sink)),
      removal_lines(std::move(removal)),
      metrics(registry),
      ids(time, random, on_disk.last_id),
      index(DueIndex({wanted.leases_max, wanted.leases_per_queue_max})),
      low_water(LowWater(on_disk.low_water)),
      totals(on_disk),
      tenants(Tenants({wanted.tenant_messages_max, wanted.tenant_bytes_max})),
      admitted_messages(on_disk.messages),
      admitted_bytes(on_disk.bytes),
      space_left(std::numeric_limits<std::int64_t>::max()),
      lease_bytes(std::make_shared<std::atomic<std::uint64_t>>(0)),
      end_process(exit_with),
      collector_(std::make_shared<Collector>()) {
  *collector_->core.lock() = this;

  struct Gauges {
    metrics::Gauge messages, bytes, deliveries, queues, leases, lease_bytes, waiting, accepting;
    metrics::Gauge delivering, disk_free, disk_files, on_hold, suspensions;
    metrics::Gauge open_bodies, open_bytes;
  };

  const Gauges gauges{
      registry.gauge(Metric::kQueueMessages),      registry.gauge(Metric::kQueueBytes),
      registry.gauge(Metric::kQueueDeliveries),    registry.gauge(Metric::kQueueQueues),
      registry.gauge(Metric::kQueueLeases),        registry.gauge(Metric::kQueueLeaseBytes),
      registry.gauge(Metric::kQueueCommitWaiting), registry.gauge(Metric::kQueueAccepting),
      registry.gauge(Metric::kQueueDelivering),    registry.gauge(Metric::kQueueDiskFree),
      registry.gauge(Metric::kQueueDiskFiles),     registry.gauge(Metric::kQueueHeld),
      registry.gauge(Metric::kQueueSuspensions),   registry.gauge(Metric::kQueueOpenBodies),
      registry.gauge(Metric::kQueueOpenBytes)};
  registry.add_collector([gauges, collector = collector_] {
    auto core = collector->core.lock();
    if (*core == nullptr) return;
    const Stats now = (*core)->stats();
    gauges.messages.set(static_cast<double>(now.messages));
    gauges.bytes.set(static_cast<double>(now.bytes));
    gauges.deliveries.set(static_cast<double>(now.deliveries));
    gauges.on_hold.set(static_cast<double>(now.on_hold));
    gauges.suspensions.set(static_cast<double>(now.suspensions));
    gauges.queues.set(static_cast<double>(now.queues));
    gauges.leases.set(static_cast<double>(now.leases));
    gauges.lease_bytes.set(static_cast<double>(now.lease_bytes));
    gauges.waiting.set(static_cast<double>(now.commit_waiting));
    gauges.open_bodies.set(static_cast<double>(now.open_bodies));
    gauges.open_bytes.set(static_cast<double>(now.open_bytes));
    gauges.accepting.set((*core)->health().accepting ? 1 : 0);
    gauges.delivering.set((*core)->index.lock()->paused() ? 0 : 1);
    gauges.disk_free.set(static_cast<double>((*core)->disk_free.load()));
    gauges.disk_files.set(static_cast<double>((*core)->disk_files.load()));
  });
}

Core::~Core() {
  *collector_->core.lock() = nullptr;
  PR_CHECK(index.lock()->leases() == 0, "a lease outlives its queue");
  PR_CHECK(open_bodies == 0, "an open body outlives its queue");
}

// Each bound takes its share first and gives it back if that was too much: exact without a lock.
Refusal Core::admit(const Submission& submission) {
  const std::uint64_t size = submission.size();
  const std::string& tenant = submission.envelope.tenant;
  if (closed) return Refusal::kStopping;
  if (failed) return Refusal::kStoreFailed;
  if (write_age() >= kHangingWrite) return Refusal::kBusy;
  if (admitted_messages.fetch_add(1) >= options.messages_max) {
    admitted_messages.fetch_sub(1);
    return Refusal::kMessagesFull;
  }
  Refusal full = Refusal::kNone;
  if (admitted_bytes.fetch_add(size) + size > options.bytes_max) full = Refusal::kBytesFull;
  if (full == Refusal::kNone) full = tenants.lock()->admit(tenant, size);
  if (full != Refusal::kNone) {
    admitted_messages.fetch_sub(1);
    admitted_bytes.fetch_sub(size);
    return full;
  }
  const std::size_t held = held_octets(submission);
  full = admit_waiting(held, disk_cost(held, submission.recipients.size()));
  if (full != Refusal::kNone) take_back_admission(tenant, size);
  return full;
}

Refusal Core::admit_waiting(std::size_t octets, std::int64_t disk_octets) {
  if (space_left.fetch_sub(disk_octets) < disk_octets) {
    space_left.fetch_add(disk_octets);
    return Refusal::kNoSpace;
  }
  const bool count_fits = waiting_count.fetch_add(1) < options.commit_waiting_max;
  const bool bytes_fit =
      waiting_bytes.fetch_add(octets) + octets <= options.commit_waiting_bytes_max;
  if (count_fits && bytes_fit) return Refusal::kNone;
  waiting_count.fetch_sub(1);
  waiting_bytes.fetch_sub(octets);
  space_left.fetch_add(disk_octets);
  return Refusal::kBusy;
}

void Core::take_back_admission(std::string_view tenant, std::uint64_t size) {
  admitted_messages.fetch_sub(1);
  admitted_bytes.fetch_sub(size);
  tenants.lock()->take_back(tenant, size);
}

void Core::take_in(std::string_view tenant, std::uint64_t size) {
  admitted_messages.fetch_add(1);
  admitted_bytes.fetch_add(size);
  tenants.lock()->take_in(tenant, size);
}

const metrics::Counter& Core::counter_of(Refusal refusal) const {
  switch (refusal) {
    case Refusal::kNone:
      break;
    case Refusal::kMessagesFull:
      return metrics.refused_messages;
    case Refusal::kBytesFull:
      return metrics.refused_bytes;
    case Refusal::kTenantMessagesFull:
      return metrics.refused_tenant_messages;
    case Refusal::kTenantBytesFull:
      return metrics.refused_tenant_bytes;
    case Refusal::kNoSpace:
      return metrics.refused_space;
    case Refusal::kBusy:
      return metrics.refused_busy;
    case Refusal::kStoreFailed:
      return metrics.refused_failed;
    case Refusal::kStopping:
      return metrics.refused_stopping;
  }
  PR_CHECK(false, "no submission is refused for nothing");
  return metrics.refused_stopping;
}

void Core::refuse(Refusal refusal, SubmitDone& done) {
  counter_of(refusal).add();
  if (done) done(refusal);
}

void Core::push(Operation operation) {
  bool was_empty = false;
  {
    auto held = waiting.lock();
    if (!held->closed) {
      was_empty = held->operations.empty();
      held->operations.push_back(std::move(operation));
    } else {
      held.mutex_lock().unlock();
      return abandon(std::move(operation), Refusal::kStopping, Error("the queue is stopping"));
    }
  }
  // Whoever put the first one in has waked the thread for all that follow.
  if (was_empty) commit_signal.notify();
}

void Core::abandon(Operation operation, Refusal refusal, const Error& why) {
  const WaitingShare share = waiting_share(operation);
  waiting_count.fetch_sub(share.count);
  waiting_bytes.fetch_sub(share.octets);
  if (auto* submit = std::get_if<SubmitOp>(&operation)) {
    const Submission& submission = submit->submission;
    take_back_admission(submission.envelope.tenant, submission.size());
    return refuse(refusal, submit->done);
  }
  if (auto* append = std::get_if<AppendOp>(&operation)) return refuse_part(refusal, *append);
  if (auto* suspend = std::get_if<SuspendOp>(&operation)) return suspend->done(failure(why));
  auto* admin = std::get_if<AdminOp>(&operation);
  // A lease is destroyed here: its delivery is due again. The next start ends an abandonment.
  if (admin == nullptr) return;
  for (const AdminOp::Target& target : admin->targets) {
    if (!admin->held) break;
    for (const std::uint32_t number : target.numbers) index.lock()->release({target.id, number});
  }
  if (admin->done) admin->done(failure(why));
}

void Core::submit(Submission submission, SubmitDone done) {
  PR_CHECK(!submission.recipients.empty());
  check_opened(submission);
  const Refusal refusal = admit(submission);
  if (refusal != Refusal::kNone) return refuse(refusal, done);
  push(SubmitOp{std::move(submission), std::move(done)});
}

bool Core::append(AppendOp operation) {
  Refusal refusal = Refusal::kNone;
  const std::size_t size = operation.part.size();
  if (closed) {
    refusal = Refusal::kStopping;
  } else if (failed) {
    refusal = Refusal::kStoreFailed;
  } else {
    refusal = admit_waiting(size, disk_cost(size, 0));
  }
  if (refusal != Refusal::kNone) {
    refuse_part(refusal, operation);
    return false;
  }
  push(std::move(operation));
  return true;
}

void Core::refuse_part(Refusal refusal, AppendOp& part) {
  if (!part.done) return;
  counter_of(refusal).add();
  part.answer(refusal);
}

void Core::finish(Lease lease, Completion completion) {
  PR_CHECK(lease.valid());
  PR_CHECK(completion.fates.size() == lease.recipients().size(), lease.domain());
  if (completion.report) check_opened(*completion.report);
  push(FinishOp{std::move(lease), std::move(completion)});
}

void Core::enqueue(Operation operation) {
  push(std::move(operation));
}

void Core::read_body(Lease lease, Queue::BodyDone done) {
  if (lease.body()) return done(std::move(lease), {});
  {
    auto work = reader_work.lock();
    if (!work->closed) {
      work->bodies.emplace_back(BodyRequest{std::move(lease), std::move(done)});
      reader_signal.notify();
      return;
    }
  }
  done(std::move(lease), Result<void>(failure("the queue is stopping")));
}

void Core::read_piece(const Lease& lease, std::uint32_t number, Queue::PieceDone done) {
  const Message& message = lease.message();
  PR_CHECK(number < message.pieces(), message.id.to_string());
  {
    auto work = reader_work.lock();
    if (!work->closed) {
      work->bodies.emplace_back(
          PieceRequest{message.id, layout_of(message), number, std::move(done)});
      reader_signal.notify();
      return;
    }
  }
  done(failure("the queue is stopping"));
}

void Core::start_job(AdminOp::Kind kind, Selector selector,
                     UniqueFunction<void(Result<std::uint64_t>)> done) {
  if (!selector.names_something() && !selector.all) {
    return done(failure("the selector names nothing, and \"all\" is not set"));
  }
  auto job = std::make_shared<Job>();
  job->kind = kind;
  job->selector = std::move(selector);
  job->done = std::move(done);
  if (changes_.fetch_add(1) >= options.changes_waiting_max) {
    metrics.changes_refused.add();
    return end_job(*job, failure("too many changes are under way (queue.changes_waiting_max)"));
  }
  continue_job(std::move(job));
}

void Core::continue_job(std::shared_ptr<Job> job) {
  {
    auto work = reader_work.lock();
    if (!work->closed) {
      work->jobs.push_back(std::move(job));
      reader_signal.notify();
      return;
    }
  }
  end_job(*job, failure("the queue is stopping"));
}

const metrics::Counter& Core::changed_counter(AdminOp::Kind kind) const {
  switch (kind) {
    case AdminOp::Kind::kRetryNow:
      return metrics.changed_retry;
    case AdminOp::Kind::kHold:
      return metrics.changed_hold;
    case AdminOp::Kind::kRelease:
      return metrics.changed_release;
    case AdminOp::Kind::kRemove:
    case AdminOp::Kind::kQuarantine:
      break;
  }
  return metrics.changed_remove;
}

void Core::end_job(Job& job, Result<std::uint64_t> result) {
  changes_.fetch_sub(1);
  if (result) changed_counter(job.kind).add(*result);
  job.done(std::move(result));
}

void Core::end_held(const DeliveryKey& delivery, bool stale) {
  AdminOp operation;
  bool news = false;
  {
    auto due = index.lock();
    const DueIndex::Holding* held = due->holding(delivery);
    PR_CHECK(held != nullptr, "a lease came back twice");
    if (held->verdict == DueIndex::Verdict::kNone) {
      stale ? due->release(delivery) : due->put_back(delivery);
      news = due->take_news();
    } else {
      // It stays held until the commit thread has done what was asked.
      operation.kind = AdminOp::Kind::kQuarantine;
      if (held->verdict == DueIndex::Verdict::kRemove) operation.kind = AdminOp::Kind::kRemove;
      if (held->verdict == DueIndex::Verdict::kHold) operation.kind = AdminOp::Kind::kHold;
      if (operation.kind == AdminOp::Kind::kQuarantine) operation.reason = kDamagedBody;
      operation.targets.push_back({delivery.id, {delivery.number}});
      operation.held = true;
    }
  }
  if (!operation.targets.empty()) enqueue(std::move(operation));
  if (news) reader_signal.notify();
}

void Core::give_back(const DeliveryKey& delivery) {
  end_held(delivery, false);
}

void Core::drop_stale(const DeliveryKey& delivery) {
  end_held(delivery, true);
}

void Core::condemn(const DeliveryKey& delivery, std::string_view reason) {
  index.lock()->holding(delivery)->verdict = DueIndex::Verdict::kQuarantine;
  log::error("queue", "a stored message is damaged and will not be delivered",
             {{"id", delivery.id.to_string()}, {"delivery", delivery.number}, {"why", reason}});
}

void Core::carry_out(const DeliveryKey& delivery, Asked asked) {
  const bool remove = asked == Asked::kRemove;
  index.lock()->holding(delivery)->verdict =
      remove ? DueIndex::Verdict::kRemove : DueIndex::Verdict::kHold;
  give_back(delivery);
}

message::Body Core::track(const message::Body& body) {
  struct Tracked {
    Tracked(std::vector<Chunk> all, std::shared_ptr<std::atomic<std::uint64_t>> sum,
            std::uint64_t octets)
        : chunks(std::move(all)), total(std::move(sum)), size(octets) {
      total->fetch_add(size);
    }

    ~Tracked() { total->fetch_sub(size); }

    Tracked(const Tracked&) = delete;
    Tracked& operator=(const Tracked&) = delete;

    std::vector<Chunk> chunks;
    std::shared_ptr<std::atomic<std::uint64_t>> total;
    std::uint64_t size;
  };

  const auto tracked = std::make_shared<const Tracked>(body.chunks(), lease_bytes, body.size());
  message::Body counted;
  for (const Chunk& chunk : tracked->chunks) counted.append(Chunk(tracked, chunk.view()));
  return counted;
}

Stats Core::stats() {
  Stats now;
  {
    auto held = totals.lock();
    now.messages = held->messages;
    now.bytes = held->bytes;
  }
  {
    auto held = index.lock();
    now.deliveries = held->deliveries();
    now.on_hold = held->on_hold();
    now.queues = held->queues().size();
    now.suspensions = held->suspensions().size();
    now.leases = held->leases();
  }
  now.lease_bytes = *lease_bytes;
  now.commit_waiting = waiting_count;
  now.open_bodies = open_bodies;
  now.open_bytes = open_bytes;
  return now;
}

Health Core::health() {
  if (failed) return {false, "the queue cannot be written: " + *failure_.lock()};
  if (write_age() >= kHangingWrite) return {false, "a write to the queue's disk does not end"};
  if (is_short_of_space()) return {false, "the disk has no more than its reserve left"};
  if (admitted_messages >= options.messages_max || admitted_bytes >= options.bytes_max) {
    return {false, "the queue is full"};
  }
  if (stopping) return {false, "stopping"};
  return {};
}

void Core::stop_leasing() {
  stopping = true;
  set_pause();
}

void Core::set_pause() {
  auto held = index.lock();
  const bool paused = stopping || failed || disk_full;
  const bool resumes = held->paused() && !paused;
  held->pause(paused);
  if (resumes) reader_signal.notify();
}

void Core::set_disk_full(bool full) {
  if (disk_full.exchange(full) == full) return;
  if (full) {
    log::error("queue", "the disk is full: delivery pauses, since its ends could not be recorded");
  } else {
    log::info("queue", "delivery goes on: the disk has room for its ends again");
  }
  set_pause();
}

std::int64_t Core::disk_cost(std::uint64_t size, std::size_t recipients) {
  constexpr std::uint64_t kPerMessage = 768;
  constexpr std::uint64_t kPerRecipient = 256;
  return static_cast<std::int64_t>(2 * (size + kPerMessage + recipients * kPerRecipient));
}

Duration Core::write_age() const {
  const TimePoint::rep began = write_began;
  return began == 0 ? Duration::zero() : clock.now() - TimePoint(Duration(began));
}

void Core::take_submissions(std::vector<Operation>& from, std::size_t first,
                            std::vector<Operation>& to) {
  const auto begin = from.begin() + static_cast<std::ptrdiff_t>(std::min(first, from.size()));
  const auto submissions = std::stable_partition(begin, from.end(), [](const Operation& one) {
    return !std::holds_alternative<SubmitOp>(one);
  });
  std::move(submissions, from.end(), std::back_inserter(to));
  from.erase(submissions, from.end());
}

void Core::watch_write() {
  const Duration age = write_age();
  const bool hangs = age >= kHangingWrite;
  if (hanging_.exchange(hangs) != hangs) {
    hangs ? log::error("queue", "a write to the disk does not end; mail is refused until it does")
          : log::info("queue", "the write to the disk has ended; mail is taken again");
  }
  if (age < kWaitMax) return;
  std::vector<Operation> overdue;
  {
    auto held = taken.lock();
    take_submissions(held->operations, held->next, overdue);
  }
  take_submissions(waiting.lock()->operations, 0, overdue);
  const Error why("a write to the disk does not end");
  for (Operation& operation : overdue) abandon(std::move(operation), Refusal::kBusy, why);
}

void Core::store_failed(const Error& error) {
  metrics.store_errors.add();
  *failure_.lock() = error.text();
  if (!failed.exchange(true)) {
    log::error("queue", "the store failed; mail is refused and delivery pauses",
               {{"why", error.text()}});
  }
  set_pause();
}

void Core::store_recovered() {
  if (!failed.exchange(false)) return;
  log::info("queue", "the store works again");
  set_pause();
}

}  // namespace postrider::queue
