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

// As good as a kill, which the next start is made for. Not 0, so that a supervisor starts anew.
void exit_with(const std::string& why) {
  log::error("queue", "the process ends, so that the next start reads what is there",
             {{"why", why}});
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

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

void Core::finish(Lease lease, Completion completion) {
  PR_CHECK(lease.valid());
  PR_CHECK(completion.fates.size() == lease.recipients().size(), lease.domain());
  if (completion.report) OpenBodyParts::check(*completion.report);
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

Duration Core::write_age() const {
  const TimePoint::rep began = write_began;
  return began == 0 ? Duration::zero() : clock.now() - TimePoint(Duration(began));
}

void Core::take_submissions(std::vector<Operation>& from, std::size_t first,
                            std::vector<Operation>& to) {
  const auto begin = from.begin() + static_cast<std::ptrdiff_t>(std::min(first, from.size()));
  const auto submissions = std::stable_partition(begin, from.end(), [](const Operation& one) {
    return !std::holds_alternative<SubmitOp>(one) && !std::holds_alternative<AppendOp>(one);
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
