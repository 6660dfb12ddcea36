#include "tests/sim/process.h"

#include <algorithm>
#include <string>
#include <utility>

#include "relay/base/check.h"
#include "relay/tls/context.h"
#include "tests/sim/virtual_event.h"

namespace postrider::sim {

namespace {

// Costs milliseconds, and nothing in it changes.
std::shared_ptr<const tls::Context> tls_context() {
  static const auto context = tls::Context::client({}).value();
  return context;
}

}  // namespace

Process::Process(const ProcessOptions& options, Timeline& timeline, queue::Store& store,
                 const Zone& zone, Ledger& ledger, std::uint64_t seed)
    : options_(options),
      timeline_(timeline),
      ledger_(ledger),
      random_(seed),
      alive_(std::make_shared<bool>(true)),
      resolver_(std::make_unique<ZoneResolver>(zone, random_)) {
  auto queue = queue::Queue::open(options.queue, store, timeline, random_, metrics_,
                                  [&ledger](std::string_view lines) { ledger.journal(lines); });
  PR_CHECK(queue.has_value(), "the queue does not open");
  queue_ = *std::move(queue);
  shared_.reset(new delivery::Shared{options.delivery, "relay.example", *queue_, *resolver_,
                                     timeline, random_, metrics_, tls_context()});
  std::vector<delivery::Scheduler*> all;
  for (std::size_t i = 0; i < options.workers; ++i) {
    loops_.push_back(*event::Loop::create());
    schedulers_.push_back(std::make_unique<delivery::Scheduler>(*shared_, *loops_.back()));
    all.push_back(schedulers_.back().get());
  }
  for (const auto& scheduler : schedulers_) scheduler->set_peers(all);
  dispatcher_ = std::make_unique<delivery::Dispatcher>(std::move(all));
  queue_->start_stepped(*dispatcher_);
  wake_queue(timeline_.now());
}

Process::~Process() {
  *alive_ = false;
}

// --- the queue's threads ---

void Process::wake_queue(TimePoint at) {
  if (at >= queue_runs_) return;
  queue_runs_ = at;
  timeline_.at(at, [this, alive = alive_, at] {
    if (*alive && queue_runs_ == at) run_queue();
  });
}

// One step at a time, so that what other threads do comes between.
void Process::run_queue() {
  queue_runs_ = TimePoint::max();
  queue_->step();
}

void Process::observe() {
  if (!*alive_) return;
  const auto next = queue_->next_step();
  const bool comes = queue_runs_ <= timeline_.now() + options_.commit_to;
  if (next && *next < queue_runs_ && !comes) {
    const Duration pause = between(timeline_.random(), options_.commit_from, options_.commit_to);
    wake_queue(std::max(*next, timeline_.now() + pause));
  }
  const queue::Stats stats = queue_->stats();
  if (stats.leases > options_.queue.leases_max) {
    ledger_.violation(std::to_string(stats.leases) + " leases");
  }
}

// --- the end ---

void Process::shut_down() {
  queue_->stop_leasing();
  for (const auto& scheduler : schedulers_) scheduler->shut_down();
}

bool Process::quiet() const {
  return std::ranges::all_of(schedulers_, [](const auto& one) { return one->quiet(); });
}

void Process::stop() {
  queue_->stop_leasing();
  for (const auto& scheduler : schedulers_) scheduler->cut_off();
  resolver_->stop();
  // As the daemon orders it: leases posted to the loops come back before the queue ends.
  schedulers_.clear();
  loops_.clear();
  queue_->stop();
  *alive_ = false;
}

void Process::die() {
  *alive_ = false;
  for (const auto& loop : loops_) freeze(*loop);
  resolver_->stop();
}

}  // namespace postrider::sim
