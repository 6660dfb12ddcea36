#include "queue/committer.h"

#include <algorithm>
#include <limits>

#include "queue/admin_plan.h"
#include "relay/base/log.h"

namespace postrider::queue {

namespace {

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Committer::Committer(Core& core)
    : core_(core),
      batch_(core.store.new_batch()),
      group_(core),
      totals_(*core.totals.lock()),
      // What an earlier process wrote and did not sync before it was killed.
      unsynced_since_(core.clock.now()) {}

bool Committer::take_waiting() {
  if (next_ < taken_.size()) return true;
  taken_.clear();
  next_ = 0;
  core_.waiting.lock()->operations.swap(taken_);
  return !taken_.empty();
}

bool Committer::step() {
  watch_space();
  if (in_doubt_) {
    refuse_waiting();
    if (core_.clock.now() < probe_at_) return false;
    return try_again();
  }
  if (end_suspensions()) return true;
  if (take_waiting()) {
    if (auto* admin = std::get_if<AdminOp>(&taken_[next_])) {
      ++next_;
      run_admin(std::move(*admin));
    } else if (auto* suspend = std::get_if<SuspendOp>(&taken_[next_])) {
      ++next_;
      run_suspend(std::move(*suspend));
    } else {
      run_group();
    }
    return true;
  }
  if (!sync_is_due()) return false;
  (void)sync();
  return true;
}

bool Committer::sync_is_due() const {
  return unsynced_since_ &&
         core_.clock.now() >= *unsynced_since_ + core_.options.completion_sync_interval;
}

std::optional<TimePoint> Committer::deadline() const {
  std::optional<TimePoint> next;
  const auto at = [&next](TimePoint time) { next = next ? std::min(*next, time) : time; };
  if (in_doubt_) at(probe_at_);
  if (!in_doubt_ && unsynced_since_) at(*unsynced_since_ + core_.options.completion_sync_interval);
  if (space_at_ != TimePoint::max()) at(space_at_);
  const auto ends = core_.index.lock()->suspensions().next_end();
  // Far ones are looked at again: the wall clock may be set meanwhile.
  if (ends && !in_doubt_) {
    at(core_.clock.now() +
       std::clamp<Duration>(*ends - core_.clock.wall(), Milliseconds(0), Seconds(10)));
  }
  return next;
}

void Committer::gather(WallTime now) {
  const Options& options = core_.options;
  WaitingShare taken;
  while (next_ < taken_.size() && group_.size() < std::max<std::size_t>(1, options.group_max) &&
         (group_.empty() || group_.bytes() < options.group_bytes_max)) {
    Operation& operation = taken_[next_];
    if (std::holds_alternative<AdminOp>(operation)) break;
    if (std::holds_alternative<SuspendOp>(operation)) break;
    ++next_;
    const WaitingShare share = waiting_share(operation);
    taken.count += share.count;
    taken.octets += share.octets;
    add_to_group(operation, now);
  }
  core_.waiting_count.fetch_sub(taken.count);
  core_.waiting_bytes.fetch_sub(taken.octets);
}

void Committer::add_to_group(Operation& operation, WallTime now) {
  if (auto* submit = std::get_if<SubmitOp>(&operation)) {
    group_.add(std::move(*submit), now);
  } else if (auto* append = std::get_if<AppendOp>(&operation)) {
    group_.add(std::move(*append));
  } else if (auto* abandon = std::get_if<AbandonOp>(&operation)) {
    group_.add(*abandon);
  } else {
    group_.add(std::move(std::get<FinishOp>(operation)), now);
  }
}

void Committer::run_group() {
  const WallTime now = core_.clock.wall();
  gather(now);
  core_.metrics.group_size.observe(static_cast<double>(group_.size()));
  group_.plan(*core_.index.lock(), now, core_.consumer != nullptr && !core_.stopping);
  batch_->clear();
  if (auto encoded = group_.encode(*batch_, totals_); !encoded) return not_written(encoded.error());
  // Before the batch: a crash may then repeat an event, and never lose one.
  if (core_.events && !group_.events().empty()) core_.events(group_.events());
  if (auto written = write(group_.needs_sync() || sync_is_due()); !written)
    return not_written(written.error());
  taken_in();
}

void Committer::run_admin(AdminOp operation) {
  const WallTime now = core_.clock.wall();
  Result<std::uint64_t> matched = plan_admin(core_, operation, now, group_);
  if (!matched) {
    // Nothing was planned; what is held for it is free again, or comes back with its verdict.
    group_.drop();
    if (operation.held) {
      for (const AdminOp::Target& target : operation.targets) {
        for (const std::uint32_t number : target.numbers) core_.give_back({target.id, number});
      }
    }
    not_written(matched.error());
  } else if (!group_.empty()) {
    group_.plan(*core_.index.lock(), now, false);
    batch_->clear();
    Result<void> written = group_.encode(*batch_, totals_);
    if (written && core_.events && !group_.events().empty()) core_.events(group_.events());
    if (written) written = write(operation.sync || sync_is_due());
    if (written) {
      taken_in();
    } else {
      matched = failure(written.error());
      not_written(written.error());
    }
  } else if (operation.sync && unsynced_since_) {
    if (auto synced = sync(); !synced) matched = failure(synced.error());
  }
  if (operation.done) operation.done(std::move(matched));
}

// Meanwhile another thread may refuse what has been taken and not begun.
Result<void> Committer::write_watched(bool sync) {
  const auto swap_taken = [this] {
    auto held = core_.taken.lock();
    held->operations.swap(taken_);
    held->next = next_;
  };
  swap_taken();
  const TimePoint::rep began = core_.clock.now().time_since_epoch().count();
  core_.write_began = std::max<TimePoint::rep>(1, began);
  Result<void> written = core_.store.write(*batch_, sync);
  core_.write_began = 0;
  swap_taken();
  return written;
}

Result<void> Committer::write(bool sync) {
  const TimePoint began = core_.clock.now();
  Result<void> written = write_watched(sync);
  written_ += batch_->size();
  const TimePoint ended = core_.clock.now();
  core_.metrics.commits.add();
  if (sync) core_.metrics.syncs.add();
  core_.metrics.commit_seconds.observe(seconds(ended - began));
  if (written && sync) unsynced_since_.reset();
  if (written && !sync && !unsynced_since_) unsynced_since_ = ended;
  return written;
}

void Committer::taken_in() {
  bool news = false;
  {
    auto index = core_.index.lock();
    group_.apply(*index);
    group_.settle(*index);
    news = index->take_news();
  }
  totals_ = group_.totals_after();
  *core_.totals.lock() = totals_;
  group_.count_ends();
  if (core_.events) {
    std::string lines;
    for (const PlannedSubmission& submission : group_.submissions()) lines += submission.events;
    if (!lines.empty()) core_.events(lines);
  }
  for (PlannedSubmission& submission : group_.submissions()) {
    if (submission.done) submission.done(Refusal::kNone);
  }
  for (AppendOp& part : group_.parts()) part.answer(Refusal::kNone);
  std::vector<Lease> leases = group_.take_leases();
  group_.clear();
  if (!leases.empty()) core_.consumer->deliver(std::move(leases));
  if (news) core_.reader_signal.notify();
}

void Committer::not_written(const Error& error) {
  core_.store_failed(error);
  for (PlannedSubmission& submission : group_.submissions()) {
    if (!submission.done) continue;
    core_.metrics.refused_failed.add();
    std::exchange(submission.done, {})(Refusal::kStoreFailed);
  }
  for (AppendOp& part : group_.parts()) core_.refuse_part(Refusal::kStoreFailed, part);
  in_doubt_ = true;
  reopened_ = false;
  decided_ = false;
  probe_at_ = core_.clock.now() + kProbeInterval;
}

Result<void> Committer::sync() {
  batch_->clear();
  const std::string key = state_key("totals");
  batch_->put(key, encode(key, totals_));
  Result<void> written = write(true);
  if (!written) not_written(written.error());
  return written;
}

// What came in before the failure was known is not kept waiting for its end: none of it was
// written. Completions wait, since their deliveries would be repeated; abandonments, since what was
// written before would stay.
void Committer::refuse_waiting() {
  std::vector<Operation> kept;
  const Error why("the store has failed");
  while (take_waiting()) {
    Operation& operation = taken_[next_++];
    if (std::holds_alternative<SubmitOp>(operation) ||
        std::holds_alternative<AppendOp>(operation)) {
      core_.abandon(std::move(operation), Refusal::kStoreFailed, why);
    } else {
      kept.push_back(std::move(operation));
    }
  }
  taken_ = std::move(kept);
  next_ = 0;
}

// The way back: reopen the store, find out whether the failed batch took effect, take that into
// memory, then write what makes the disk agree with memory. Every step may fail and is tried again
// later; ids that were refused are only ever erased.
bool Committer::try_again() {
  const TimePoint began = core_.clock.now();
  if (auto repaired = repair(); !repaired) {
    core_.store_failed(repaired.error());
    const TimePoint now = core_.clock.now();
    probe_at_ = now + std::max<Duration>(kProbeInterval, (now - began) * kProbePause);
    return false;
  }
  in_doubt_ = false;
  doubtful_suspensions_.clear();
  bool news = false;
  {
    auto index = core_.index.lock();
    group_.cancel_submissions(*index);
    group_.settle(*index);
    news = index->take_news();
  }
  group_.clear();
  core_.store_recovered();
  if (news) core_.reader_signal.notify();
  return true;
}

Result<void> Committer::repair() {
  if (!reopened_) {
    if (auto reopened = core_.store.reopen(); !reopened) return reopened;
    core_.metrics.reopened.add();
    reopened_ = true;
  }
  if (!decided_) {
    if (auto decided = decide(); !decided) return decided;
    decided_ = true;
  }
  totals_.sequence += 2;  // above that of the failed batch, should that come up in a later start
  *core_.totals.lock() = totals_;
  group_.find_bounds(*core_.index.lock());
  batch_->clear();
  group_.encode_repair(*batch_, totals_);
  encode_suspensions(doubtful_suspensions_);
  Result<void> written = write(true);
  if (!written) reopened_ = false;
  return written;
}

// Memory follows what the disk says of the failed group. What was not synced before it may be lost
// too; memory cannot go back.
Result<void> Committer::decide() {
  const std::string key = state_key("totals");
  const auto stored = core_.store.get(key);
  if (!stored) return failure(stored.error());
  std::optional<Totals> on_disk;
  if (*stored) on_disk = decode_totals(key, (*stored)->view());
  if (!on_disk || on_disk->sequence < totals_.sequence) {
    const std::string why = "the store has lost writes that it had taken before it failed";
    core_.end_process(why);
    return failure(why);
  }
  const bool took_effect = !group_.empty() && on_disk->sequence == group_.totals_after().sequence;
  if (took_effect) {
    group_.apply_without_submissions(*core_.index.lock());
    group_.count_ends();
    totals_ = group_.totals_without_submissions();
  } else {
    group_.cancel_changes();
  }
  return {};
}

void Committer::watch_space() {
  const TimePoint now = core_.clock.now();
  if (now < space_at_ && written_ < kSpaceOctets) return;
  space_at_ = now + kSpaceInterval;
  written_ = 0;
  if (const auto space = core_.store.space()) return take_space(*space);
  core_.space_left = std::numeric_limits<std::int64_t>::max();
  core_.set_disk_full(false);
}

// Three marks, from the top: mail is refused where the reserve begins; the store's own work stops
// at half of it; delivery pauses where the ends of what is leased would not fit.
void Committer::take_space(const Space& space) {
  core_.disk_free = space.free;
  core_.disk_files = space.files;
  const std::uint64_t reserve = core_.options.disk_reserve;
  const std::int64_t waiting =
      Core::disk_cost(core_.waiting_bytes, 0) +
      static_cast<std::int64_t>(core_.waiting_count) * Core::disk_cost(0, 1);
  const auto left = static_cast<std::int64_t>(space.free - std::min(space.free, space.owed)) -
                    static_cast<std::int64_t>(reserve) - waiting;
  const bool was_short = core_.space_left <= 0;
  const bool is_short = left <= 0 || space.files <= kFilesReserve;
  core_.space_left = is_short ? std::min<std::int64_t>(left, 0) : left;
  if (is_short && !was_short) {
    log::warning("queue", "the disk has only its reserve left; mail is refused",
                 {{"free", space.free}, {"files", space.files}, {"owed", space.owed}});
  } else if (!is_short && was_short) {
    log::info("queue", "the disk has room again", {{"free", space.free}});
  }
  const std::uint64_t ends = core_.index.lock()->leases() * kCompletionOctets + kLastOctets;
  core_.set_disk_full(space.free < space.owed + ends || space.files <= kFilesReserve / 4);
  const std::uint64_t live = totals_.bytes + core_.open_bytes + totals_.messages * 1024;
  const std::uint64_t floor = space.owed + std::max(reserve / 2, kLastOctets);
  if (!core_.store.keep_free(floor, live) && !in_doubt_) {
    // Nothing is being written, so nothing is in doubt but the store itself.
    not_written(Error("the store cannot give space back"));
    probe_at_ = core_.clock.now();
  }
}

void Committer::finish_all() {
  while (true) {
    if (in_doubt_ && !try_again()) give_up();
    if (take_waiting()) {
      step();
    } else if (unsynced_since_ && !given_up_) {
      (void)sync();
    } else if (close()) {
      return;
    }
  }
}

bool Committer::close() {
  auto waiting = core_.waiting.lock();
  if (!waiting->operations.empty()) return false;
  waiting->closed = true;
  return true;
}

// The store failed to the last: what waits is answered, and left to the next start.
void Committer::give_up() {
  if (!decided_) group_.cancel_changes();
  {
    auto index = core_.index.lock();
    group_.cancel_submissions(*index);
    group_.settle(*index);
  }
  group_.clear();
  in_doubt_ = false;
  given_up_ = true;
  const Error why("the store has failed");
  while (take_waiting()) {
    core_.abandon(std::move(taken_[next_++]), Refusal::kStoreFailed, why);
  }
}

}  // namespace postrider::queue
