#include "relay/delivery/waiting_room.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "relay/base/log.h"
#include "relay/delivery/text_loader.h"

namespace postrider::delivery {

using message::Stage;

WaitingRoom::WaitingRoom(Shared& shared, event::Loop& loop, std::string site,
                         const policy::Rate& queue_rate, UniqueFunction<void()> on_loaded)
    : shared_(shared),
      loop_(loop),
      site_(std::move(site)),
      backlog_(queue_rate, shared.tenant_weights),
      on_loaded_(std::move(on_loaded)),
      alive_(std::make_shared<bool>(true)) {}

WaitingRoom::~WaitingRoom() {
  *alive_ = false;
}

void WaitingRoom::push(queue::Lease lease) {
  const TimePoint until = std::max(end_of(lease), shared_.clock.now() + kLastTurn);
  backlog_.push(std::move(lease), until);
}

TimePoint WaitingRoom::end_of(const queue::Lease& lease) const {
  return shared_.clock.now() + (lease.message().expires - shared_.clock.wall()) + kLastTurn;
}

bool WaitingRoom::load_one(TimePoint now) {
  auto lease = backlog_.take(now);
  if (!lease) return false;
  if (lease->body()) {
    loaded_.push_back({*std::move(lease), {}});
  } else {
    load(*std::move(lease));
  }
  return true;
}

void WaitingRoom::load(queue::Lease lease) {
  ++loading_;
  load_text(shared_.queue, loop_, std::move(lease),
            [this, alive = alive_](queue::Lease read,
                                   const Result<std::optional<smtp::TextFacts>>& text) {
              if (*alive) loaded(std::move(read), text);
            });
}

void WaitingRoom::loaded(queue::Lease lease, const Result<std::optional<smtp::TextFacts>>& text) {
  --loading_;
  if (closed_) return;
  if (text) {
    loaded_.push_back({std::move(lease), {}, *text});
  } else {
    log::error("delivery", "a message cannot be read",
               {{"id", lease.message().id.to_string()}, {"error", text.error().text()}});
    // The queue puts damaged messages aside; a failing disk is tried again later.
    put_off(shared_, loop_, std::move(lease), shared_.clock.wall() + std::chrono::minutes(1),
            {451, {4, 3, 0}, "the message could not be read from the queue"});
  }
  on_loaded_();
}

TimePoint WaitingRoom::end_overdue(TimePoint now, bool held_up) {
  for (queue::Lease& lease : backlog_.take_overdue(now)) end_late(std::move(lease));
  TimePoint next = backlog_.overdue_at();
  if (!held_up) return next;
  for (Parcel& parcel : std::exchange(loaded_, {})) {
    const TimePoint until = end_of(parcel.lease);
    if (until <= now) {
      end_late(std::move(parcel.lease));
    } else {
      next = std::min(next, until);
      loaded_.push_back(std::move(parcel));
    }
  }
  return next;
}

void WaitingRoom::end_late(queue::Lease lease) {
  conclude_all(shared_, loop_, std::move(lease), Stage::kConnect,
               {451, {4, 4, 7}, "its lifetime ended while it waited for its turn at " + site_},
               {.site = site_});
}

void WaitingRoom::shed(Allowance& own, Allowance* provider, TimePoint now) {
  std::size_t keep = Backlog::kept_of(own.messages());
  if (provider != nullptr) keep = std::min(keep, Backlog::kept_of(provider->messages()));
  while (auto lease = backlog_.shed(keep)) {
    TimePoint until = own.appoint(keep, now);
    if (provider != nullptr) until = std::max(until, provider->appoint(keep, now));
    put_off_until(*std::move(lease), until, now);
  }
  while (auto late = backlog_.shed_late(now)) put_off_until(std::move(late->lease), late->at, now);
}

void WaitingRoom::put_off_until(queue::Lease lease, TimePoint until, TimePoint now) {
  const message::Status status{451, {4, 4, 5}, "held back by this relay's own rate for " + site_};
  const WallTime wall = shared_.clock.wall();
  const WallTime expires = lease.message().expires;
  if (expires <= wall) {
    return conclude_all(shared_, loop_, std::move(lease), Stage::kConnect, status, {.site = site_});
  }
  shared_.meters.held_back.add();
  const WallTime due = wall + std::chrono::ceil<Milliseconds>(until - now);
  put_off(shared_, loop_, std::move(lease), std::min(due, expires), status);
}

void WaitingRoom::put_off_all(Milliseconds wait, Stage stage, const message::Status& reason,
                              const policy::ReplyRules& replies) {
  const WallTime now = shared_.clock.wall();
  const WallTime base = now + std::max(wait, Milliseconds(0));
  const auto disorder = static_cast<std::uint64_t>(std::max<std::int64_t>(wait.count() / 4, 1000));
  for (queue::Lease& lease : take_all()) {
    const WallTime expires = lease.message().expires;
    if (expires <= now) {
      conclude_all(shared_, loop_, std::move(lease), stage, reason,
                   {.site = site_, .replies = &replies});
      continue;
    }
    const auto spread = Milliseconds(shared_.random.below(disorder));
    put_off(shared_, loop_, std::move(lease), std::min(base + spread, expires), reason);
  }
}

void WaitingRoom::fail_all(Stage stage, const message::Status& status, const AttemptFacts& facts) {
  for (queue::Lease& lease : take_all()) {
    conclude_all(shared_, loop_, std::move(lease), stage, status, facts);
  }
}

std::vector<queue::Lease> WaitingRoom::take_all() {
  std::vector<queue::Lease> all = backlog_.take_all();
  for (Parcel& parcel : std::exchange(loaded_, {})) all.push_back(std::move(parcel.lease));
  return all;
}

void WaitingRoom::close() {
  closed_ = true;
  take_all();
}

}  // namespace postrider::delivery
