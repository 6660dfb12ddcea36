#include "queue/queue.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "queue/committer.h"
#include "queue/core.h"
#include "queue/reader.h"
#include "queue/recovery.h"
#include "queue/selection.h"
#include "queue/stepper.h"
#include "queue/tenant_recovery.h"
#include "relay/base/check.h"

namespace postrider::queue {

namespace {

// Looked at between two moments at which the walk may notice that it has enough.
constexpr std::size_t kLooksPerStep = 4096;

MessageSummary summarize(Core& core, FoundMessage found) {
  MessageSummary summary;
  summary.message = std::move(found.message);
  auto index = core.index.lock();
  for (FoundDelivery& one : found.deliveries) {
    DeliverySummary& delivery = summary.deliveries.emplace_back();
    delivery.number = one.number;
    delivery.domain = std::move(one.record.domain);
    delivery.recipients = std::move(one.record.recipients);
    delivery.attempts = one.record.attempts;
    delivery.due = one.record.due;
    delivery.last_status = std::move(one.record.last_status);
    const DueIndex::Holding* held = index->holding({summary.message.id, one.number});
    delivery.leased = held != nullptr && held->is_lease;
  }
  return summary;
}

}  // namespace

class Queue::State {
 public:
  State(const Options& options, Store& store, const Clock& clock, Random& random,
        metrics::Registry& registry, EventSink events, RemovalLines removal_lines,
        const Totals& totals)
      : core(options, store, clock, random, registry, std::move(events), std::move(removal_lines),
             totals),
        committer(core),
        reader(core) {}

  void run_committer() {
    while (!quit) {
      if (committer.step()) continue;
      std::optional<Duration> limit;
      if (const auto deadline = committer.deadline()) {
        limit = std::max<Duration>(Milliseconds(1), *deadline - core.clock.now());
      }
      core.commit_signal.wait(limit);
    }
    committer.finish_all();
  }

  void run_reader() {
    while (!quit) {
      if (!reader.step()) core.reader_signal.wait(reader.wait_limit());
    }
    reader.close();
  }

  Core core;
  Committer committer;
  Reader reader;
  std::optional<Stepper> stepper;  // in place of the threads
  std::atomic<bool> quit{false};
  std::thread commit_thread;
  std::thread reader_thread;
};

Result<std::unique_ptr<Queue>> Queue::open(Options options, Store& store, const Clock& clock,
                                           Random& random, metrics::Registry& metrics,
                                           EventSink events, RemovalLines removal_lines) {
  const auto totals = recover_totals(store);
  if (!totals) return failure(totals.error().within("opening the queue"));
  auto state = std::make_unique<State>(options, store, clock, random, metrics, std::move(events),
                                       std::move(removal_lines), *totals);
  if (auto queues = recover_queues(store, *state->core.index.lock()); !queues) {
    return failure(queues.error().within("opening the queue"));
  }
  if (auto tenants = recover_tenants(store, *state->core.tenants.lock()); !tenants) {
    return failure(tenants.error().within("opening the queue"));
  }
  return std::unique_ptr<Queue>(new Queue(std::move(state)));
}

Queue::Queue(std::unique_ptr<State> state) : state_(std::move(state)) {}

Queue::~Queue() {
  PR_CHECK(!state_->commit_thread.joinable(), "a queue was destroyed without stop()");
}

void Queue::start(Consumer& consumer) {
  state_->core.consumer = &consumer;
  state_->commit_thread = std::thread([state = state_.get()] { state->run_committer(); });
  state_->reader_thread = std::thread([state = state_.get()] { state->run_reader(); });
}

void Queue::start_stepped(Consumer& consumer) {
  State& state = *state_;
  state.core.consumer = &consumer;
  state.stepper.emplace(state.core, state.committer, state.reader);
}

bool Queue::step() {
  return state_->stepper->step();
}

std::optional<TimePoint> Queue::next_step() {
  return state_->stepper->next();
}

void Queue::stop_leasing() {
  state_->core.stop_leasing();
}

void Queue::stop() {
  stop_leasing();
  state_->core.closed = true;
  if (state_->stepper) {
    state_->stepper.reset();
    state_->reader.close();
    state_->committer.finish_all();
  }
  if (!state_->commit_thread.joinable()) return;
  state_->quit = true;
  // The reader first: what it hands to the commit thread is then still done.
  state_->core.reader_signal.notify();
  state_->reader_thread.join();
  state_->core.commit_signal.notify();
  state_->commit_thread.join();
}

MessageId Queue::next_id() {
  return state_->core.ids.next();
}

void Queue::submit(Submission submission, SubmitDone done) {
  state_->core.submit(std::move(submission), std::move(done));
}

void Queue::finish(Lease lease, Completion completion) {
  state_->core.finish(std::move(lease), std::move(completion));
}

void Queue::read_body(Lease lease, BodyDone done) {
  state_->core.read_body(std::move(lease), std::move(done));
}

void Queue::remove(Selector selector, UniqueFunction<void(Result<std::uint64_t>)> done) {
  state_->core.start_job(AdminOp::Kind::kRemove, std::move(selector), std::move(done));
}

void Queue::retry_now(Selector selector, UniqueFunction<void(Result<std::uint64_t>)> done) {
  state_->core.start_job(AdminOp::Kind::kRetryNow, std::move(selector), std::move(done));
}

std::vector<QueueSummary> Queue::queues(std::size_t limit) const {
  std::vector<QueueSummary> summaries;
  {
    auto index = state_->core.index.lock();
    summaries.reserve(index->queues().size());
    for (const auto& [key, queue] : index->queues()) {
      if (queue->deliveries == 0) continue;
      summaries.push_back({queue->name.domain, queue->name.tenant, queue->name.campaign,
                           queue->deliveries, queue->bytes, DueIndex::next_due(*queue)});
    }
  }
  const auto larger_first = [](const QueueSummary& a, const QueueSummary& b) {
    if (a.deliveries != b.deliveries) return a.deliveries > b.deliveries;
    return std::tie(a.domain, a.tenant, a.campaign) < std::tie(b.domain, b.tenant, b.campaign);
  };
  const std::size_t shown = std::min(limit, summaries.size());
  std::partial_sort(summaries.begin(), summaries.begin() + static_cast<std::ptrdiff_t>(shown),
                    summaries.end(), larger_first);
  summaries.resize(shown);
  return summaries;
}

Result<std::vector<MessageSummary>> Queue::messages(const Selector& selector,
                                                    std::size_t limit) const {
  Core& core = state_->core;
  bool raises_mark = false;
  MessageId from;
  {
    auto low_water = core.low_water.lock();
    from = low_water->mark();
    raises_mark = !selector.id && low_water->begin_walk();
  }
  Selection selection(core.store, selector, from);
  std::vector<MessageSummary> summaries;
  std::optional<Error> error;
  while (!selection.ended() && summaries.size() < limit && !error) {
    auto found = selection.next(limit - summaries.size(), kLooksPerStep);
    if (!found) {
      error = found.error();
      break;
    }
    for (FoundMessage& one : *found) summaries.push_back(summarize(core, std::move(one)));
  }
  if (raises_mark) {
    auto low_water = core.low_water.lock();
    error || limit == 0 ? low_water->abandon_walk() : low_water->end_walk(selection.first_seen());
  }
  if (error) return failure(*error);
  return summaries;
}

Result<std::optional<MessageSummary>> Queue::message(MessageId id) const {
  Selector selector;
  selector.id = id;
  auto found = messages(selector, 1);
  if (!found) return failure(found.error());
  if (found->empty()) return std::optional<MessageSummary>();
  return std::optional<MessageSummary>(std::move(found->front()));
}

Stats Queue::stats() const {
  return state_->core.stats();
}

Health Queue::health() const {
  return state_->core.health();
}

}  // namespace postrider::queue
