#include "queue/due_index.h"

#include <algorithm>

#include "queue/record.h"
#include "relay/base/check.h"

namespace postrider::queue {

namespace {

std::size_t band_of(const QueueEntry& queue) {
  return static_cast<std::size_t>(queue.band());
}

void remove_due(QueueEntry& queue, WallTime due) {
  auto& leased = queue.working().leased;
  const auto at = leased.find(due);
  PR_CHECK(at != leased.end());
  if (--at->second == 0) leased.erase(at);
}

WallTime earliest_unleased(const QueueEntry& queue) {
  if (!queue.work) return queue.cursor.due;
  const QueueEntry::Work& work = *queue.work;
  const WallTime due = std::min(queue.cursor.due, work.lowered.due);
  return work.returned.empty() ? due : std::min(due, work.returned.begin()->due);
}

}  // namespace

QueueEntry& DueIndex::find_or_create(std::string_view key) {
  const auto at = queues_.find(key);
  if (at != queues_.end()) return **at;
  const Owner& entry = *queues_.insert(std::make_unique<QueueEntry>(key, next_serial_++)).first;
  entry->suspended = !suspensions_.empty() && suspensions_.match(entry->key());
  return *entry;
}

QueueEntry* DueIndex::find(std::string_view key) {
  const auto at = queues_.find(key);
  return at == queues_.end() ? nullptr : at->get();
}

void DueIndex::retire(QueueEntry& queue) {
  if (std::find(retiring_.begin(), retiring_.end(), &queue) == retiring_.end()) {
    retiring_.push_back(&queue);
  }
}

void DueIndex::sweep() {
  std::erase_if(retiring_, [this](QueueEntry* entry) {
    if (entry->deliveries > 0 || entry->is_planned()) return true;  // it has come back to life
    const bool at_rest = entry->place == Place::kIdle || entry->place == Place::kWaiting;
    if ((entry->work && entry->work->held > 0) || !at_rest) return false;
    leave_wake_order(*entry);
    queues_.erase(queues_.find(entry->key()));
    return true;
  });
}

void DueIndex::rest(QueueEntry& queue) {
  if (!queue.work || queue.place == Place::kScanning || queue.place == Place::kBlocked) return;
  const QueueEntry::Work& work = *queue.work;
  if (work.held == 0 && work.returned.empty() && !work.plan.touched) queue.work.reset();
}

void DueIndex::count(QueueEntry& queue, std::int64_t deliveries, std::int64_t bytes,
                     std::int64_t on_hold) {
  // A queue's octets are a sum over messages that may turn out unreadable; never below nothing.
  const auto add = [](std::uint64_t value, std::int64_t change) {
    const auto less = static_cast<std::uint64_t>(-change);
    return change >= 0 ? value + static_cast<std::uint64_t>(change) : value - std::min(value, less);
  };
  deliveries_ -= queue.deliveries;
  queue.deliveries = add(queue.deliveries, deliveries);
  queue.bytes = add(queue.bytes, bytes);
  deliveries_ += queue.deliveries;
  on_hold_ -= queue.on_hold;
  queue.on_hold = static_cast<std::uint32_t>(add(queue.on_hold, on_hold));
  on_hold_ += queue.on_hold;
}

WallTime DueIndex::due_bound(const QueueEntry& queue) {
  WallTime bound = earliest_unleased(queue);
  if (queue.work && !queue.work->leased.empty()) {
    bound = std::min(bound, queue.work->leased.begin()->first);
  }
  return bound;
}

std::optional<WallTime> DueIndex::next_due(const QueueEntry& queue) {
  const WallTime due = earliest_unleased(queue);
  if (due >= kHeld) return std::nullopt;
  return due;
}

void DueIndex::insert(QueueEntry& queue, const Position& position) {
  if (queue.place == Place::kScanning) {
    queue.working().lowered = std::min(queue.working().lowered, position);
    return;
  }
  if (position >= queue.cursor) return;
  queue.cursor = position;
  schedule(queue);
}

bool DueIndex::hold(QueueEntry& queue, const Position& position) {
  const auto [at, is_new] = held_.try_emplace(position.delivery());
  if (!is_new) return false;
  at->second.queue = &queue;
  at->second.due = position.due;
  QueueEntry::Work& work = queue.working();
  ++work.held;
  ++work.leased[position.due];
  // It may move from here: a place where it is not would keep its true one from being leased.
  work.returned.erase(position);
  return true;
}

bool DueIndex::lease_fresh(const DeliveryKey& delivery, WallTime now) {
  Holding* held = holding(delivery);
  PR_CHECK(held != nullptr && !held->is_lease);
  const QueueEntry& queue = *held->queue;
  const bool no_backlog = queue.place == Place::kIdle ||
                          (queue.place == Place::kWaiting && wake_order_.at(queue) > now);
  if (paused_ || queue.suspended || !no_backlog || queue.leases() >= limits_.leases_per_queue_max) {
    return false;
  }
  // What is kept goes in small portions, so that many share it.
  const std::size_t free = free_leases(band_of(queue));
  const bool from_kept = queue.leases() < free / kKeptPortion + 1;
  if (free == 0 || (room(queue) == 0 && !from_kept)) return false;
  begin_lease(*held);
  return true;
}

bool DueIndex::lease(QueueEntry& queue, const Position& position) {
  if (!hold(queue, position)) return false;
  begin_lease(held_.find(position.delivery())->second);
  return true;
}

void DueIndex::begin_lease(Holding& holding) {
  holding.is_lease = true;
  ++holding.queue->working().leases;
  for (std::size_t band = band_of(*holding.queue); band < kBands; ++band) ++leases_[band];
}

DueIndex::Holding* DueIndex::holding(const DeliveryKey& delivery) {
  const auto at = held_.find(delivery);
  return at == held_.end() ? nullptr : &at->second;
}

void DueIndex::leave_bound(const DeliveryKey& delivery) {
  Holding* held = holding(delivery);
  PR_CHECK(held != nullptr && held->in_bound);
  held->in_bound = false;
  remove_due(*held->queue, held->due);
}

void DueIndex::enter_bound(const DeliveryKey& delivery) {
  Holding* held = holding(delivery);
  PR_CHECK(held != nullptr && !held->in_bound);
  held->in_bound = true;
  ++held->queue->working().leased[held->due];
}

void DueIndex::end_lease(QueueEntry& queue) {
  const std::size_t band = band_of(queue);
  QueueEntry::Work& work = queue.working();
  const bool blocked = queue.place == Place::kBlocked &&
                       blocked_[band].erase({work.leases, work.blocked_turn, &queue}) > 0;
  --work.leases;
  for (std::size_t above = band; above < kBands; ++above) --leases_[above];
  if (blocked) block(queue);
  resume_blocked();
}

// What the bands up to this one may have together.
std::size_t DueIndex::limit(std::size_t band) const {
  const std::size_t all = limits_.leases_max;
  if (band == static_cast<std::size_t>(Band::kHigh)) return all;
  return all - all / (band == static_cast<std::size_t>(Band::kLow) ? kKeptFromLow : kKeptForHigh);
}

void DueIndex::forget(const DeliveryKey& delivery, Holding& holding) {
  QueueEntry& queue = *holding.queue;
  if (holding.in_bound) remove_due(queue, holding.due);
  --queue.working().held;
  const bool was_lease = holding.is_lease;
  held_.erase(delivery);
  if (was_lease) end_lease(queue);
  rest(queue);
}

void DueIndex::release(const DeliveryKey& delivery) {
  Holding* held = holding(delivery);
  PR_CHECK(held != nullptr, "a delivery was released twice");
  forget(delivery, *held);
}

void DueIndex::put_back(const DeliveryKey& delivery) {
  Holding* held = holding(delivery);
  PR_CHECK(held != nullptr, "a delivery was put back twice");
  QueueEntry& queue = *held->queue;
  const Position position{held->due, delivery.id, delivery.number};
  forget(delivery, *held);
  if (queue.place == Place::kScanning) {
    queue.working().lowered = std::min(queue.working().lowered, position);
    return;
  }
  if (position >= queue.cursor) return;
  // Lowering the cursor would make the next scan walk over all that is leased above.
  auto& returned = queue.working().returned;
  returned.insert(position);
  if (returned.size() > kReturnedMax) {
    queue.cursor = *returned.begin();
    returned.clear();
  }
  schedule(queue);
}

void DueIndex::leave_wake_order(QueueEntry& queue) {
  if (queue.place != Place::kWaiting) return;
  wake_order_.erase(queue);
  queue.place = Place::kIdle;
}

void DueIndex::schedule(QueueEntry& queue) {
  if (queue.place != Place::kIdle && queue.place != Place::kWaiting) return;
  leave_wake_order(queue);
  const auto due = next_due(queue);
  if (!due || queue.suspended) return;
  queue.place = Place::kWaiting;
  if (wake_order_.insert(queue, *due)) news_ = true;
}

void DueIndex::make_ready(QueueEntry& queue) {
  queue.place = Place::kReady;
  ready_[band_of(queue)].push_back(&queue);
  news_ = true;
}

// The band whose turn it is, of those with something ready.
std::optional<std::size_t> DueIndex::next_band() const {
  std::optional<std::size_t> highest;
  for (std::size_t band = 0; band < kBands; ++band) {
    if (ready_[band].empty()) continue;
    if (passed_over_[band] >= kPassedOverMax) return band;
    highest = band;
  }
  return highest;
}

void DueIndex::give_turn(std::size_t band) {
  passed_over_[band] = 0;
  for (std::size_t other = 0; other < kBands; ++other) {
    if (other != band && !ready_[other].empty()) ++passed_over_[other];
  }
}

QueueEntry* DueIndex::next_scan(WallTime now) {
  if (paused_) return nullptr;
  while (!wake_order_.empty() && wake_order_.first_at() <= now) {
    QueueEntry* queue = &wake_order_.first();
    wake_order_.erase(*queue);
    queue->place = Place::kReady;
    ready_[band_of(*queue)].push_back(queue);
  }
  while (const auto band = next_band()) {
    QueueEntry* queue = ready_[*band].front();
    ready_[*band].pop_front();
    if (queue->suspended) {
      queue->place = Place::kIdle;
      rest(*queue);
      continue;
    }
    if (room(*queue) == 0) {
      block(*queue);
      continue;
    }
    give_turn(*band);
    queue->place = Place::kScanning;
    queue->working().lowered = Position::end();
    return queue;
  }
  return nullptr;
}

// What the band may still take of all leases, without what is kept for higher ones.
std::size_t DueIndex::free_leases(std::size_t band) const {
  std::size_t free = limits_.leases_max;
  for (; band < kBands; ++band) {
    free = std::min(free, limit(band) - std::min(limit(band), leases_[band]));
  }
  return free;
}

// A queue may have no more than are still free, so that those that are slow to end theirs do not
// hold all. Of those free an eighth is kept for fresh mail to queues without a backlog, which would
// otherwise stand in line with all that have one; the highest band may have it too. Taking a lease
// makes one less free, hence half of the sum.
std::size_t DueIndex::room(const QueueEntry& queue) const {
  const std::size_t kept = queue.band() == Band::kHigh ? 0 : limits_.leases_max / 8;
  const std::size_t all = free_leases(static_cast<std::size_t>(Band::kHigh));
  const std::size_t free = std::min(free_leases(band_of(queue)), all - std::min(all, kept));
  const std::size_t most = std::min(limits_.leases_per_queue_max, (free + queue.leases() + 1) / 2);
  return most - std::min(most, queue.leases());
}

void DueIndex::block(QueueEntry& queue) {
  QueueEntry::Work& work = queue.working();
  if (queue.place != Place::kBlocked) work.blocked_turn = next_blocked_turn_++;
  queue.place = Place::kBlocked;
  blocked_[band_of(queue)].insert({work.leases, work.blocked_turn, &queue});
}

// Who has many leases goes on when he may have an eighth more, not for each one that ends.
void DueIndex::resume_blocked() {
  for (std::set<Blocked>& blocked : blocked_) {
    while (!blocked.empty()) {
      QueueEntry& queue = *blocked.begin()->queue;
      if (room(queue) < std::max<std::size_t>(1, queue.leases() / 8)) break;
      blocked.erase(blocked.begin());
      make_ready(queue);
    }
  }
}

void DueIndex::end_scan(QueueEntry& queue, const Position& cursor, WallTime now) {
  PR_CHECK(queue.place == Place::kScanning);
  queue.cursor = std::min(cursor, queue.working().lowered);
  queue.working().lowered = Position::end();
  queue.place = Place::kIdle;
  const auto due = next_due(queue);
  if (due && *due <= now && !queue.suspended) {
    make_ready(queue);
  } else {
    schedule(queue);
  }
  rest(queue);
}

std::optional<WallTime> DueIndex::next_wake() const {
  if (paused_) return std::nullopt;
  if (next_band()) return WallTime::min();
  if (wake_order_.empty()) return std::nullopt;
  return wake_order_.first_at();
}

void DueIndex::suspend(const Suspension& rule) {
  Suspensions added;
  added.add(rule);
  suspensions_.add(rule);
  for (const Owner& queue : queues_) {
    if (queue->suspended || !added.match(queue->key())) continue;
    queue->suspended = true;
    leave_wake_order(*queue);
  }
}

void DueIndex::resume(const std::vector<Suspension>& rules) {
  Suspensions ended;
  for (const Suspension& rule : rules) {
    ended.add(rule);
    suspensions_.remove(rule);
  }
  for (const Owner& queue : queues_) {
    if (!queue->suspended || !ended.match(queue->key())) continue;
    queue->suspended = suspensions_.match(queue->key());
    schedule(*queue);
  }
}

void DueIndex::pause(bool paused) {
  if (paused_ && !paused) news_ = true;
  paused_ = paused;
}

}  // namespace postrider::queue
