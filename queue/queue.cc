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
    delivery.held = one.record.due == kHeld;
    delivery.last_status = std::move(one.record.last_status);
    const DueIndex::Holding* held = index->holding({summary.message.id, one.number});
    delivery.leased = held != nullptr && held->is_lease;
  }
  return summary;
}

}  // namespace

std::uint32_t Message::pieces() const {
  return layout_of(*this).pieces();
}

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
      if (reader.step()) continue;
      const Duration limit = reader.wait_limit().value_or(Core::kWatchInterval);
      core.reader_signal.wait(std::min<Duration>(limit, Core::kWatchInterval));
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
  std::unique_ptr<State> state;
  const auto recovered = recover(store, [&](const Totals& totals) -> Core& {
    state = std::make_unique<State>(options, store, clock, random, metrics, events, removal_lines,
                                    totals);
    return state->core;
  });
  if (!recovered) return failure(recovered.error().within("opening the queue"));
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

OpenBody Queue::open_body(MessageId id) {
  return OpenBodyParts::make(state_->core, id);
}

void Queue::finish(Lease lease, Completion completion) {
  state_->core.finish(std::move(lease), std::move(completion));
}

void Queue::read_body(Lease lease, BodyDone done) {
  state_->core.read_body(std::move(lease), std::move(done));
}

void Queue::read_piece(const Lease& lease, std::uint32_t number, PieceDone done) {
  state_->core.read_piece(lease, number, std::move(done));
}

void Queue::condemn(const Lease& lease) {
  PR_CHECK(lease.valid());
  state_->core.condemn(LeaseParts::key(lease), "its body is damaged or missing");
}

void Queue::remove(Selector selector, ChangeDone done) {
  state_->core.start_job(AdminOp::Kind::kRemove, std::move(selector), std::move(done));
}

void Queue::retry_now(Selector selector, ChangeDone done) {
  state_->core.start_job(AdminOp::Kind::kRetryNow, std::move(selector), std::move(done));
}

void Queue::hold(Selector selector, ChangeDone done) {
  state_->core.start_job(AdminOp::Kind::kHold, std::move(selector), std::move(done));
}

void Queue::release(Selector selector, ChangeDone done) {
  state_->core.start_job(AdminOp::Kind::kRelease, std::move(selector), std::move(done));
}

void Queue::suspend(Suspension suspension, ChangeDone done) {
  state_->core.enqueue(SuspendOp{std::move(suspension), true, std::move(done)});
}

void Queue::resume(Suspension suspension, ChangeDone done) {
  state_->core.enqueue(SuspendOp{std::move(suspension), false, std::move(done)});
}

std::vector<Suspension> Queue::suspensions() const {
  return state_->core.index.lock()->suspensions().all();
}

std::vector<QueueSummary> Queue::queues(std::size_t limit) const {
  std::vector<QueueSummary> summaries;
  {
    auto index = state_->core.index.lock();
    summaries.reserve(index->queues().size());
    for (const auto& queue : index->queues()) {
      if (queue->deliveries == 0) continue;
      const QueueName name = queue->name();
      summaries.push_back({name.domain, name.tenant, name.campaign, name.band, queue->deliveries,
                           queue->on_hold, queue->bytes, DueIndex::next_due(*queue),
                           queue->suspended});
    }
  }
  const auto larger_first = [](const QueueSummary& a, const QueueSummary& b) {
    if (a.deliveries != b.deliveries) return a.deliveries > b.deliveries;
    return std::tie(a.domain, a.tenant, a.campaign, a.band) <
           std::tie(b.domain, b.tenant, b.campaign, b.band);
  };
  const std::size_t shown = std::min(limit, summaries.size());
  std::partial_sort(summaries.begin(), summaries.begin() + static_cast<std::ptrdiff_t>(shown),
                    summaries.end(), larger_first);
  summaries.resize(shown);
  return summaries;
}

Result<MessagePage> Queue::messages(const Selector& selector, std::size_t limit,
                                    MessageId from) const {
  Core& core = state_->core;
  bool raises_mark = false;
  {
    auto low_water = core.low_water.lock();
    // Only a walk that begins at the mark tells whether there is something right above it.
    raises_mark = !selector.id && from <= low_water->mark() && limit > 0 && low_water->begin_walk();
    from = std::max(from, low_water->mark());
  }
  Selection selection(core.store, selector, from);
  auto found = selection.next(limit, kLooksPerPage);
  if (raises_mark) {
    auto low_water = core.low_water.lock();
    found ? low_water->end_walk(selection.first_seen()) : low_water->abandon_walk();
  }
  if (!found) return failure(found.error());
  MessagePage page;
  for (FoundMessage& one : *found) page.messages.push_back(summarize(core, std::move(one)));
  if (!selection.ended()) page.next = selection.from();
  return page;
}

Result<std::optional<MessageSummary>> Queue::message(MessageId id) const {
  Selector selector;
  selector.id = id;
  auto found = messages(selector, 1);
  if (!found) return failure(found.error());
  if (found->messages.empty()) return std::optional<MessageSummary>();
  return std::optional<MessageSummary>(std::move(found->messages.front()));
}

Stats Queue::stats() const {
  return state_->core.stats();
}

bool Queue::is_short_of_space() const {
  return state_->core.is_short_of_space();
}

Health Queue::health() const {
  return state_->core.health();
}

}  // namespace postrider::queue
