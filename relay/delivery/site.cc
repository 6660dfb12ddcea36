#include "relay/delivery/site.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "relay/base/log.h"
#include "relay/policy/failure.h"

namespace postrider::delivery {

using message::Stage;

Site::Site(Shared& shared, event::Loop& loop, std::string name, const Hop& hop)
    : shared_(shared),
      loop_(loop),
      name_(std::move(name)),
      hop_(hop),
      window_(shared.options.window),
      redial_(loop, [this] { pump(); }),
      active_at_(shared.clock.now()),
      alive_(std::make_shared<bool>(true)) {
  shared_.meters.sites.add(1);
}

Site::~Site() {
  *alive_ = false;
  shared_.meters.sites.add(-1);
}

void Site::accept(const std::shared_ptr<const dns::Route>& route,
                  std::vector<queue::Lease> leases) {
  if (stopping_) return;  // given back as they are destroyed
  active_at_ = shared_.clock.now();
  if (route != route_) {
    TargetList list = targets_of(*route, hop_, shared_.options, shared_.own_addresses);
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
  for (queue::Lease& lease : leases) {
    if (lease.body()) {
      loaded_.push_back({std::move(lease), {}});
    } else {
      waiting_.push_back(std::move(lease));
    }
  }
  pump();
}

void Site::shut_down() {
  stopping_ = true;
  waiting_.clear();
  loaded_.clear();
  redial_.disarm();
  // Those that have not reached anybody carry nothing that could be lost.
  std::erase_if(channels_, [](const auto& channel) { return !channel->ready(); });
  std::vector<Channel*> idle;
  for (const auto& channel : channels_) {
    if (channel->idle()) idle.push_back(channel.get());
  }
  for (Channel* channel : idle) channel->quit();
}

bool Site::quiet() const {
  return channels_.empty() && waiting_.empty() && loaded_.empty() && loading_ == 0;
}

void Site::pump() {
  if (pumping_ || stopping_) return;
  pumping_ = true;
  while (pump_once()) {
  }
  pumping_ = false;
}

bool Site::pump_once() {
  if (waiting_.empty() && loaded_.empty()) return false;
  const TimePoint now = shared_.clock.now();
  const std::size_t allowed = window_.limit(now);
  if (allowed == 0 && channels_.empty()) {
    put_off_waiting();
    return false;
  }
  if (carry_one()) return true;
  // Bodies are read for as many deliveries as there are connections that could soon take them.
  if (!waiting_.empty() && loading_ + loaded_.size() < channels_.size()) {
    queue::Lease lease = std::move(waiting_.front());
    waiting_.pop_front();
    load(std::move(lease));
    return true;
  }
  return open_one(allowed);
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
    idle->carry(std::move(taken));
    return true;
  }
  return false;
}

bool Site::open_one(std::size_t allowed) {
  const auto idle = std::ranges::find_if(channels_, [](const auto& c) { return c->idle(); });
  const bool handed_on = !loaded_.empty() && !loaded_.front().turned_away_by.empty();
  // What is idle suits all but what its host has turned away.
  if (idle != channels_.end() && !handed_on) return false;
  if (dialing() >= waiting_.size() + loaded_.size() + loading_) return false;
  if (channels_.size() >= allowed) {
    if (idle == channels_.end()) return false;
    (*idle)->quit();
    return true;
  }
  if (!may_dial(shared_.clock.now())) return false;
  std::vector<Target> targets = targets_;
  if (handed_on) {
    std::erase_if(targets, [this](const Target& t) { return !loaded_.front().may_go_to(t); });
    if (targets.empty()) targets = targets_;  // the route has changed meanwhile
  }
  channels_.push_back(std::make_unique<Channel>(shared_, loop_, *this, hop_, std::move(targets)));
  channels_.back()->open();
  return true;
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
  if (now >= next_dial_) return true;
  redial_.arm(next_dial_);
  return false;
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

void Site::put_off_waiting() {
  // Until the next probe there is nobody to speak to: no attempt is made, none is counted.
  const auto wait =
      std::chrono::duration_cast<Milliseconds>(window_.opens_at() - shared_.clock.now());
  const WallTime base = shared_.clock.wall() + std::max(wait, Milliseconds(0));
  for (queue::Lease& lease : take_all()) {
    // Spread over a quarter of the wait, so that they do not all return in one instant.
    const auto spread = Milliseconds(shared_.random.below(
        static_cast<std::uint64_t>(std::max<std::int64_t>(wait.count() / 4, 1000))));
    put_off(shared_, loop_, std::move(lease), base + spread, last_failure_);
  }
}

void Site::fail_waiting(const smtp::Ended& met, const Target& target) {
  for (queue::Lease& lease : take_all()) {
    conclude_all(shared_, loop_, std::move(lease), met.stage, met.status,
                 {.site = name_, .host = target.host, .ip = target.ip.to_string()});
  }
}

std::deque<queue::Lease> Site::take_all() {
  std::deque<queue::Lease> all = std::exchange(waiting_, {});
  for (Parcel& parcel : std::exchange(loaded_, {})) all.push_back(std::move(parcel.lease));
  return all;
}

bool Site::is_avoided(const Target& target) {
  const auto found = avoided_.find(target.ip);
  return found != avoided_.end() && shared_.clock.now() < found->second;
}

void Site::note_target(const Target& target, bool works) {
  if (works) {
    avoided_.erase(target.ip);
    return;
  }
  const TimePoint now = shared_.clock.now();
  if (avoided_.size() >= kRememberedMax) {
    std::erase_if(avoided_, [now](const auto& entry) { return entry.second <= now; });
  }
  if (avoided_.size() < kRememberedMax || avoided_.contains(target.ip)) {
    avoided_[target.ip] = now + kAvoidFor;
  }
}

std::optional<tls::Session> Site::session_for(const Target& target) {
  // Used once: a TLS 1.3 ticket that is used twice lets an observer link the connections (RFC 8446,
  // C.4).
  const auto found = sessions_.find(target.host + " " + target.ip.to_string());
  if (found == sessions_.end()) return std::nullopt;
  std::optional<tls::Session> session(std::move(found->second));
  sessions_.erase(found);
  return session;
}

void Site::keep_session(const Target& target, tls::Session session) {
  if (sessions_.size() >= kRememberedMax) sessions_.erase(sessions_.begin());
  sessions_.insert_or_assign(target.host + " " + target.ip.to_string(), std::move(session));
}

void Site::on_idle(Channel& channel) {
  if (next_dial_ == TimePoint::max()) next_dial_ = {};
  window_.reached();
  // Where the window has shrunk, the connections above it end when they have nothing in hand.
  if (stopping_ || staying() > std::max<std::size_t>(1, window_.limit(shared_.clock.now()))) {
    return channel.quit();
  }
  pump();
}

void Site::on_carried(Channel& channel, Parcel parcel, std::vector<smtp::RecipientResult> results,
                      AttemptFacts facts) {
  active_at_ = shared_.clock.now();
  facts.site = name_;
  bool slow_down = false;
  bool verdict = false;  // on the mail: one that refuses it shows as well that the site is there
  for (const smtp::RecipientResult& result : results) {
    const policy::Judgement judgement = policy::judge(result.stage, result.status);
    slow_down |= judgement.effect == policy::SiteEffect::kSlowDown;
    verdict |= judgement.action != policy::Action::kRetryLater &&
               judgement.effect == policy::SiteEffect::kNone;
  }
  if (slow_down) window_.slow_down(active_at_);
  if (verdict) window_.succeeded();
  if (hand_on(channel, parcel, results)) return;
  conclude(shared_, loop_, std::move(parcel.lease), std::move(results), std::move(facts));
}

// RFC 5321 section 5.1: where one host cannot serve, the others are tried before the mail waits.
bool Site::hand_on(Channel& channel, Parcel& parcel,
                   const std::vector<smtp::RecipientResult>& results) {
  const bool for_another = std::ranges::all_of(results, [](const smtp::RecipientResult& result) {
    return policy::judge(result.stage, result.status).effect == policy::SiteEffect::kNextHost;
  });
  if (!for_another) return false;
  note_target(channel.target(), false);
  channel.retire();
  parcel.turned_away_by.push_back(channel.target().ip);
  const bool left =
      std::ranges::any_of(targets_, [&](const Target& t) { return parcel.may_go_to(t); });
  if (!left || stopping_) return false;
  log::info("delivery", "a host turned a message away, trying the next",
            {{"id", parcel.lease.message().id.to_string()},
             {"host", channel.target().host},
             {"ip", channel.target().ip.to_string()},
             {"reason", results.front().status.to_line()}});
  loaded_.push_front(std::move(parcel));
  return true;
}

void Site::on_untouched(Channel&, Parcel parcel) {
  if (!stopping_) loaded_.push_front(std::move(parcel));
}

void Site::on_ended(Channel& channel, const std::optional<smtp::Ended>& met) {
  const auto found =
      std::ranges::find_if(channels_, [&channel](const auto& c) { return c.get() == &channel; });
  const std::unique_ptr<Channel> ended = std::move(*found);
  channels_.erase(found);
  active_at_ = shared_.clock.now();
  if (met) {
    last_failure_ =
        met->status.code != 0 ? met->status : policy::local_status(met->stage, met->status.text);
    const bool others_work =
        std::ranges::any_of(channels_, [](const auto& c) { return c->ready(); });
    if (others_work) {
      window_.slow_down(active_at_);
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
