#include "relay/delivery/site.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "relay/base/log.h"
#include "relay/delivery/local_channel.h"
#include "relay/policy/failure.h"

namespace postrider::delivery {

using message::Stage;

namespace {

// The window grows to what the limits allow.
policy::WindowOptions window_options(const Options& options, const policy::Limits& limits) {
  policy::WindowOptions window = options.window;
  window.connections_max = limits.connections_max.value;
  window.connections_first = std::min(window.connections_first, window.connections_max);
  return window;
}

}  // namespace

Site::Site(Shared& shared, event::Loop& loop, SiteOfSource what)
    : shared_(shared),
      loop_(loop),
      name_(std::move(what.name)),
      hop_(*what.hop),
      source_(*what.source),
      replies_(*what.replies),
      limits_(std::move(what.limits)),
      window_options_(window_options(shared.options, limits_)),
      channel_options_{name_,
                       what.hop,
                       what.source,
                       what.replies,
                       limits_.recipients_per_transaction_max.value,
                       std::make_shared<TlsSessions>()},
      own_(limits_),
      provider_(std::move(what.provider)),
      lanes_(std::move(what.lanes)),
      window_(window_options_),
      wake_(loop,
            [this] {
              wake_at_ = TimePoint::max();
              pump();
            }),
      backlog_(limits_.queue_rate.value, shared.tenant_weights),
      active_at_(shared.clock.now()),
      alive_(std::make_shared<bool>(true)) {
  shared_.meters.sites.add(1);
}

Site::~Site() {
  *alive_ = false;
  if (provider_) {
    // The line first: it is not to be told of its own places.
    provider_->leave_line(*this);
    for (std::size_t i = 0; i < channels_.size(); ++i) provider_->closed(*this);
  }
  shared_.meters.sites.add(-1);
}

void Site::accept(const std::shared_ptr<const dns::Route>& route,
                  std::vector<queue::Lease> leases) {
  if (stopping_) return;  // given back as they are destroyed
  active_at_ = shared_.clock.now();
  if (route != route_) {
    TargetList list = targets_of(*route, hop_, source_, shared_.options, shared_.own_addresses);
    if (list.targets.empty()) {  // what came by an earlier route keeps its addresses
      for (queue::Lease& lease : leases) {
        conclude_all(shared_, loop_, std::move(lease), Stage::kRoute, list.verdict,
                     {.site = name_});
      }
      return;
    }
    route_ = route;
    targets_ = std::move(list.targets);
  }
  const WallTime wall = shared_.clock.wall();
  for (queue::Lease& lease : leases) {
    const auto left = std::max(lease.message().expires - wall, WallTime::duration(0));
    backlog_.push(std::move(lease), active_at_ + left + kLastTurn);
  }
  pump();
  shed(active_at_);
}

void Site::shut_down() {
  stopping_ = true;
  take_all();
  wake_.disarm();
  if (provider_) provider_->leave_line(*this);
  // Those that have not reached anybody carry nothing that could be lost.
  std::vector<std::unique_ptr<Channel>> gone;
  std::vector<Channel*> idle;
  for (auto& channel : channels_) {
    if (!channel->ready()) {
      gone.push_back(std::move(channel));
    } else if (channel->idle()) {
      idle.push_back(channel.get());
    }
  }
  std::erase(channels_, nullptr);
  for (std::size_t i = 0; i < gone.size(); ++i) connection_gone();
  for (Channel* channel : idle) channel->quit();
}

bool Site::quiet() const {
  return channels_.empty() && waiting() == 0;
}

SiteState Site::state() const {
  const TimePoint now = shared_.clock.now();
  const auto until = [now](TimePoint at) {
    return at <= now || at == TimePoint::max() ? Milliseconds(0)
                                               : std::chrono::ceil<Milliseconds>(at - now);
  };
  const auto idle = std::ranges::count_if(channels_, [](const auto& c) { return c->idle(); });
  return {channels_.size(),   static_cast<std::size_t>(idle),
          window_.limit(now), waiting(),
          cap_.messages(now), until(window_.opens_at()),
          until(send_at()),   window_.held_at().value_or(0)};
}

std::size_t Site::waiting() const {
  return backlog_.size() + loaded_.size() + loading_;
}

void Site::pump() {
  if (pumping_ || stopping_) return;
  pumping_ = true;
  wants_place_ = false;
  while (pump_once()) {
  }
  end_overdue(shared_.clock.now());
  pumping_ = false;
  if (!provider_) return;
  // What it does not use is for others.
  if (!wants_place_) provider_->leave_line(*this);
  if (provider_->others_wait(*this)) give_way();
}

bool Site::pump_once() {
  if (waiting() == 0) return false;
  const TimePoint now = shared_.clock.now();
  const std::size_t allowed = window_.limit(now);
  if (allowed == 0 && channels_.empty()) {
    put_off_waiting();
    return false;
  }
  if (!has_come(send_at(), now)) return false;
  return carry_one() || load_one(now) || open_one(allowed, now);
}

TimePoint Site::send_at() const {
  return provider_ ? std::max(own_.send_at(), provider_->send_at()) : own_.send_at();
}

bool Site::has_come(TimePoint at, TimePoint now) {
  if (at <= now) return true;
  // The earliest of what is waited for; what it brings arms the timer for the next.
  if (at < wake_at_) {
    wake_at_ = at;
    wake_.arm(at);
  }
  return false;
}

bool Site::carry_one() {
  for (auto parcel = loaded_.begin(); parcel != loaded_.end(); ++parcel) {
    Channel* idle = idle_channel(*parcel);
    if (idle == nullptr) {
      if (parcel->turned_away_by.empty()) return false;  // then none is idle
      continue;
    }
    Parcel taken = std::move(*parcel);
    loaded_.erase(parcel);
    const TimePoint now = shared_.clock.now();
    own_.sent(now);
    if (provider_) provider_->sent(now);
    idle->carry(std::move(taken), messages_max(now));
    return true;
  }
  return false;
}

// As many have their bodies in memory as there are connections that could soon take them.
bool Site::load_one(TimePoint now) {
  if (backlog_.empty() || loading_ + loaded_.size() >= channels_.size()) return false;
  auto lease = backlog_.take(now);
  if (!lease) {
    has_come(backlog_.ready_at(now), now);
    return false;
  }
  if (lease->body()) {
    loaded_.push_back({*std::move(lease), {}});
  } else {
    load(*std::move(lease));
  }
  return true;
}

bool Site::open_one(std::size_t allowed, TimePoint now) {
  const bool none_ready = loaded_.empty() && loading_ == 0;
  if (none_ready && !has_come(backlog_.ready_at(now), now)) return false;
  const auto idle = std::ranges::find_if(channels_, [](const auto& c) { return c->idle(); });
  const bool handed_on = !loaded_.empty() && !loaded_.front().turned_away_by.empty();
  // What is idle suits all but what its host has turned away.
  if (idle != channels_.end() && !handed_on) return false;
  if (dialing() >= waiting()) return false;
  if (channels_.size() >= allowed) {
    if (idle == channels_.end()) return false;
    (*idle)->quit();
    return true;
  }
  if (!may_dial(now)) return false;
  std::vector<Target> targets = targets_;
  if (handed_on) {
    std::erase_if(targets, [this](const Target& t) { return !loaded_.front().may_go_to(t); });
    if (targets.empty()) targets = targets_;  // the route has changed meanwhile
  }
  own_.opened(*this, now);
  if (provider_) provider_->opened(*this, now);
  channels_.push_back(make_channel(std::move(targets)));
  channels_.back()->open();
  return true;
}

std::unique_ptr<Channel> Site::make_channel(std::vector<Target> targets) {
  if (!lanes_.empty() && channels_.size() >= kHomeConnections) {
    const std::size_t lane = next_lane_++ % (lanes_.size() + 1);
    if (lane < lanes_.size()) {
      return lanes_[lane]->make_channel(loop_, *this, channel_options_, std::move(targets));
    }
  }
  return std::make_unique<LocalChannel>(shared_, loop_, *this, channel_options_,
                                        std::move(targets));
}

unsigned Site::messages_max(TimePoint now) {
  const unsigned allowed = limits_.messages_per_connection_max.value;
  const unsigned learned = cap_.messages(now);
  return learned == 0 ? allowed : std::min(allowed, learned);
}

void Site::end_overdue(TimePoint now) {
  for (queue::Lease& lease : backlog_.take_overdue(now)) {
    conclude_all(shared_, loop_, std::move(lease), Stage::kConnect,
                 {451, {4, 4, 7}, "its lifetime ended while it waited for its turn at " + name_},
                 {.site = name_});
  }
  has_come(backlog_.overdue_at(), now);
}

void Site::shed(TimePoint now) {
  if (stopping_) return;
  std::size_t keep = Backlog::kept_of(own_.messages());
  if (provider_) keep = std::min(keep, Backlog::kept_of(provider_->messages()));
  while (auto lease = backlog_.shed(keep)) {
    TimePoint until = own_.appoint(keep, now);
    if (provider_) until = std::max(until, provider_->appoint(keep, now));
    put_off_until(*std::move(lease), until, now);
  }
  while (auto late = backlog_.shed_late(now)) put_off_until(std::move(late->lease), late->at, now);
}

void Site::put_off_until(queue::Lease lease, TimePoint until, TimePoint now) {
  const message::Status status{451, {4, 4, 5}, "held back by this relay's own rate for " + name_};
  const WallTime wall = shared_.clock.wall();
  const WallTime expires = lease.message().expires;
  if (expires <= wall) {
    return conclude_all(shared_, loop_, std::move(lease), Stage::kConnect, status, {.site = name_});
  }
  shared_.meters.held_back.add();
  const WallTime due = wall + std::chrono::ceil<Milliseconds>(until - now);
  put_off(shared_, loop_, std::move(lease), std::min(due, expires), status);
}

void Site::load(queue::Lease lease) {
  ++loading_;
  shared_.queue.read_body(std::move(lease), [this, alive = alive_, &loop = loop_](
                                                queue::Lease loaded, Result<void> read) mutable {
    loop.post([this, alive = std::move(alive), loaded = std::move(loaded),
               read = std::move(read)]() mutable {
      if (!*alive) return;
      --loading_;
      if (stopping_) return;
      if (read) {
        loaded_.push_back({std::move(loaded), {}});
      } else {
        log::error("delivery", "a message cannot be read",
                   {{"id", loaded.message().id.to_string()}, {"error", read.error().text()}});
        // The queue puts damaged messages aside; a failing disk is tried again later.
        put_off(shared_, loop_, std::move(loaded), shared_.clock.wall() + std::chrono::minutes(1),
                {451, {4, 3, 0}, "the message could not be read from the queue"});
      }
      pump();
    });
  });
}

bool Site::may_dial(TimePoint now) {
  TimePoint at = std::max(next_dial_, own_.open_at());
  if (provider_) at = std::max(at, provider_->open_at());
  if (!has_come(at, now)) return false;
  if (!provider_) return true;
  wants_place_ = true;
  return provider_->has_place(*this);
}

void Site::on_place() {
  has_come(shared_.clock.now() + Duration(1), shared_.clock.now());
}

bool Site::give_way() {
  const auto idle = std::ranges::find_if(channels_, [](const auto& c) { return c->idle(); });
  if (idle == channels_.end()) return false;
  (*idle)->quit();
  return true;
}

void Site::connection_gone() {
  own_.closed(*this);
  if (provider_) provider_->closed(*this);
}

std::size_t Site::staying() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(channels_, [](const auto& c) { return !c->leaving(); }));
}

Channel* Site::idle_channel(const Parcel& parcel) {
  const auto found = std::ranges::find_if(channels_, [&parcel](const auto& channel) {
    return channel->idle() && parcel.may_go_to(channel->target());
  });
  return found == channels_.end() ? nullptr : found->get();
}

std::size_t Site::dialing() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(channels_, [](const auto& c) { return !c->ready(); }));
}

// Until the next probe there is nobody to speak to: no attempt is made, none is counted. What the
// last probe met ends what has had its time.
void Site::put_off_waiting() {
  const auto wait =
      std::chrono::duration_cast<Milliseconds>(window_.opens_at() - shared_.clock.now());
  const WallTime now = shared_.clock.wall();
  const WallTime base = now + std::max(wait, Milliseconds(0));
  for (queue::Lease& lease : take_all()) {
    const WallTime expires = lease.message().expires;
    if (expires <= now) {
      conclude_all(shared_, loop_, std::move(lease), last_stage_, last_failure_,
                   {.site = name_, .replies = &replies_});
      continue;
    }
    // Spread over a quarter of the wait, so that they do not all return in one instant.
    const auto spread = Milliseconds(shared_.random.below(
        static_cast<std::uint64_t>(std::max<std::int64_t>(wait.count() / 4, 1000))));
    put_off(shared_, loop_, std::move(lease), std::min(base + spread, expires), last_failure_);
  }
}

void Site::fail_waiting(const smtp::Ended& met, const Target& target) {
  for (queue::Lease& lease : take_all()) {
    conclude_all(
        shared_, loop_, std::move(lease), met.stage, met.status,
        {.site = name_, .host = target.host, .ip = target.ip.to_string(), .replies = &replies_});
  }
}

std::vector<queue::Lease> Site::take_all() {
  std::vector<queue::Lease> all = backlog_.take_all();
  for (Parcel& parcel : std::exchange(loaded_, {})) all.push_back(std::move(parcel.lease));
  return all;
}

void Site::on_idle(Channel& channel) {
  if (next_dial_ == TimePoint::max()) next_dial_ = {};
  window_.reached();
  if (channel.carried() == 0) window_.stands(standing(), shared_.clock.now());
  // Where the window has shrunk, the connections above it end when they have nothing in hand.
  if (stopping_ || standing() > std::max<std::size_t>(1, window_.limit(shared_.clock.now()))) {
    return channel.quit();
  }
  // One that has not carried anything yet stays, or two sites could make way for each other for
  // ever.
  if (provider_ && channel.carried() > 0 && provider_->is_above_share(*this, staying())) {
    return channel.quit();
  }
  pump();
}

void Site::on_carried(Channel&, const Carried& carried) {
  active_at_ = shared_.clock.now();
  if (carried.rest > Duration(0)) {
    last_stage_ = carried.rest_stage;
    last_failure_ = carried.rest_reason;
    rest(carried.rest);
  }
  if (carried.slow_down && window_.slow_down(standing(), active_at_, shared_.random)) {
    shared_.meters.slow_downs.add();
  }
  if (carried.verdict) window_.succeeded(active_at_);
}

void Site::rest(Duration time) {
  log::info("delivery", "a destination asks to be left alone",
            {{"site", name_},
             {"seconds", std::chrono::duration_cast<Seconds>(time).count()},
             {"reason", last_failure_.to_line()}});
  shared_.meters.rests.add();
  window_.rest(shared_.clock.now() + time);
  for (const auto& channel : channels_) channel->retire();
  while (give_way()) {
  }
}

void Site::on_turned_away(Channel& channel, Parcel parcel,
                          std::vector<smtp::RecipientResult> results, AttemptFacts facts) {
  active_at_ = shared_.clock.now();
  parcel.turned_away_by.push_back(channel.target().ip);
  const bool left =
      std::ranges::any_of(targets_, [&](const Target& t) { return parcel.may_go_to(t); });
  if (!left || stopping_) {
    conclude(shared_, loop_, std::move(parcel.lease), std::move(results), std::move(facts));
    return;
  }
  log::info("delivery", "a host turned a message away, trying the next",
            {{"id", parcel.lease.message().id.to_string()},
             {"host", channel.target().host},
             {"ip", channel.target().ip.to_string()},
             {"reason", results.front().status.to_line()}});
  loaded_.push_front(std::move(parcel));
}

void Site::on_untouched(Channel&, Parcel parcel) {
  if (stopping_) return;
  loaded_.push_front(std::move(parcel));
  // Not in this call, from within a channel: others may be idle.
  has_come(shared_.clock.now() + Duration(1), shared_.clock.now());
}

void Site::on_closed_by_peer(unsigned messages, Duration idle) {
  cap_.closed(messages, idle, shared_.clock.now());
}

void Site::on_ended(Channel& channel, const std::optional<smtp::Ended>& met) {
  const auto found =
      std::ranges::find_if(channels_, [&channel](const auto& c) { return c.get() == &channel; });
  const std::unique_ptr<Channel> ended = std::move(*found);
  channels_.erase(found);
  connection_gone();
  active_at_ = shared_.clock.now();
  if (met) {
    last_stage_ = met->stage;
    last_failure_ =
        met->status.code != 0 ? met->status : policy::local_status(met->stage, met->status.text);
    const std::size_t others = standing();
    const auto decision = replies_.judge(met->stage, met->status);
    if (decision.judgement.effect == policy::SiteEffect::kRest) {
      rest(decision.rest);
      if (channels_.empty()) fail_waiting(*met, ended->target());
    } else if (others > 0) {
      if (window_.refused(others, active_at_, shared_.random)) shared_.meters.slow_downs.add();
      next_dial_ = active_at_ + kDialPause;
    } else if (channels_.empty()) {
      window_.unreachable(active_at_, shared_.random);
      fail_waiting(*met, ended->target());
    } else {
      // Nobody has answered yet: those being tried decide, or trying again would never end.
      next_dial_ = TimePoint::max();
    }
  }
  if (channels_.empty()) next_dial_ = {};
  pump();
}

}  // namespace postrider::delivery
