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
      waiting_(shared, loop, name_, limits_.queue_rate.value, [this] { pump(); }),
      active_at_(shared.clock.now()) {
  shared_.meters.sites.add(1);
}

Site::~Site() {
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
  for (queue::Lease& lease : leases) waiting_.push(std::move(lease));
  pump();
  waiting_.shed(own_, provider_.get(), active_at_);
}

void Site::shut_down() {
  stopping_ = true;
  waiting_.close();
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
  return channels_.empty() && waiting_.size() == 0;
}

SiteState Site::state() const {
  const TimePoint now = shared_.clock.now();
  const auto until = [now](TimePoint at) {
    return at <= now || at == TimePoint::max() ? Milliseconds(0)
                                               : std::chrono::ceil<Milliseconds>(at - now);
  };
  const auto idle = std::ranges::count_if(channels_, [](const auto& c) { return c->idle(); });
  return {channels_.size(),   static_cast<std::size_t>(idle),
          window_.limit(now), waiting_.size(),
          cap_.messages(now), until(window_.opens_at()),
          until(send_at()),   window_.held_at().value_or(0)};
}

void Site::pump() {
  if (pumping_ || stopping_) return;
  pumping_ = true;
  wants_place_ = false;
  while (pump_once()) {
  }
  const TimePoint now = shared_.clock.now();
  const bool held_up = channels_.empty() || send_at() > now;
  has_come(waiting_.end_overdue(now, held_up), now);
  pumping_ = false;
  if (!provider_) return;
  // What it does not use is for others.
  if (!wants_place_) provider_->leave_line(*this);
  if (provider_->others_wait(*this)) give_way();
}

bool Site::pump_once() {
  if (waiting_.size() == 0) return false;
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
  if (waiting_.first() == nullptr || idle_channel() == nullptr) return false;
  Channel* idle = nullptr;
  auto parcel = waiting_.take([this, &idle](const Parcel& one) {
    idle = idle_channel(one);
    return idle != nullptr;
  });
  if (!parcel) return false;
  const TimePoint now = shared_.clock.now();
  own_.sent(now);
  if (provider_) provider_->sent(now);
  idle->carry(*std::move(parcel), messages_max(now));
  return true;
}

// As many have been read as there are connections that could soon take them.
bool Site::load_one(TimePoint now) {
  const std::size_t at_hand = waiting_.at_hand();
  if (at_hand == waiting_.size() || at_hand >= channels_.size()) return false;
  if (waiting_.load_one(now)) return true;
  has_come(waiting_.ready_at(now), now);
  return false;
}

bool Site::open_one(std::size_t allowed, TimePoint now) {
  if (waiting_.at_hand() == 0 && !has_come(waiting_.ready_at(now), now)) return false;
  Channel* const idle = idle_channel();
  const Parcel* const first = waiting_.first();
  const bool handed_on = first != nullptr && !first->turned_away_by.empty();
  // What is idle suits all but what its host has turned away.
  if (idle != nullptr && !handed_on) return false;
  if (dialing() >= waiting_.size()) return false;
  if (channels_.size() >= allowed) {
    if (idle == nullptr) return false;
    idle->quit();
    return true;
  }
  if (!may_dial(now)) return false;
  std::vector<Target> targets = targets_;
  if (handed_on) {
    std::erase_if(targets, [first](const Target& t) { return !first->may_go_to(t); });
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
  Channel* const idle = idle_channel();
  if (idle == nullptr) return false;
  idle->quit();
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

Channel* Site::idle_channel() const {
  const auto found = std::ranges::find_if(channels_, [](const auto& c) { return c->idle(); });
  return found == channels_.end() ? nullptr : found->get();
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
  waiting_.put_off_all(wait, last_stage_, last_failure_, replies_);
}

void Site::fail_waiting(const smtp::Ended& met, const Target& target) {
  waiting_.fail_all(
      met.stage, met.status,
      {.site = name_, .host = target.host, .ip = target.ip_text(), .replies = &replies_});
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
             {"ip", channel.target().ip_text()},
             {"reason", results.front().status.to_line()}});
  waiting_.put_back(std::move(parcel));
}

void Site::on_untouched(Channel&, Parcel parcel) {
  if (stopping_) return;
  waiting_.put_back(std::move(parcel));
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
