#include "dns/caching_resolver.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "relay/event/loop.h"

namespace postrider::dns {

// A resolution in progress and all who asked for it.
struct CachingResolver::Active final : public Asker, std::enable_shared_from_this<Active> {
  Active(CachingResolver& resolver, std::string name, std::string domain, Resolution::Kind kind)
      : owner(resolver),
        key(std::move(name)),
        resolution(std::move(domain), kind, resolver.options_.ipv6, resolver.random_) {}

  void answered(const Question& question, const Answer& answer) override {
    resolution.answer(question, answer);
    owner.advance(shared_from_this());
  }

  CachingResolver& owner;
  const std::string key;  // in active_
  Resolution resolution;
  std::vector<Request> requests;
};

CachingResolver::CachingResolver(event::Loop& loop, Options options, const Clock& clock,
                                 Random& random, metrics::Registry& metrics,
                                 std::unique_ptr<Transport> transport)
    : loop_(loop),
      options_(std::move(options)),
      random_(random),
      overloads_(metrics.counter(metrics::Metric::kDnsAnswers, "overload")),
      transport_(std::move(transport)),
      lookups_(options_, clock, random, metrics, *transport_),
      timer_(loop, [this] { on_timer(); }),
      alive_(std::make_shared<CachingResolver*>(this)) {}

CachingResolver::~CachingResolver() {
  stop();
}

void CachingResolver::resolve(std::string domain, Executor& reply_on,
                              UniqueFunction<void(std::shared_ptr<const Route>)> done) {
  post({std::move(domain), Resolution::Kind::kDomain, &reply_on, std::move(done)});
}

void CachingResolver::resolve_host(std::string host, Executor& reply_on,
                                   UniqueFunction<void(std::shared_ptr<const Route>)> done) {
  post({std::move(host), Resolution::Kind::kHost, &reply_on, std::move(done)});
}

void CachingResolver::post(Request request) {
  if (waiting_.fetch_add(1) >= options_.waiting_max) {
    overloads_.add();
    auto route = temporary_route(request.domain, "too many DNS resolutions waiting");
    answer(std::move(request), std::move(route));
    return;
  }
  bool first = false;
  std::optional<Request> refused;
  {
    auto mailbox = mailbox_.lock();
    if (mailbox->stopped) {
      refused = std::move(request);
    } else {
      first = mailbox->requests.empty();
      mailbox->requests.push_back(std::move(request));
    }
  }
  if (refused) {
    auto route = temporary_route(refused->domain, "the resolver has stopped");
    answer(*std::move(refused), std::move(route));
  } else if (first) {
    // One wake-up takes all that gathers before it runs.
    loop_.post([alive = std::weak_ptr(alive_)] {
      if (const auto self = alive.lock()) (*self)->take_requests();
    });
  }
}

void CachingResolver::take_requests() {
  std::vector<Request> requests;
  mailbox_.lock()->requests.swap(requests);
  for (Request& request : requests) start(std::move(request));
  arm_timer();
}

void CachingResolver::start(Request request) {
  if (stopped_) {
    auto route = temporary_route(request.domain, "the resolver has stopped");
    answer(std::move(request), std::move(route));
    return;
  }
  if (auto route = literal_route(request.domain)) {
    answer(std::move(request), std::move(route));
    return;
  }
  const std::string domain = normal_domain(request.domain);
  // A letter that no name has in front keeps the kinds apart.
  std::string key = (request.kind == Resolution::Kind::kHost ? "=" : "") + domain;
  std::shared_ptr<Active>& active = active_[key];
  if (active) {
    active->requests.push_back(std::move(request));
    return;
  }
  active = std::make_shared<Active>(*this, std::move(key), domain, request.kind);
  active->requests.push_back(std::move(request));
  // A copy: advance() may end it, and with it the table's entry.
  const std::shared_ptr<Active> started = active;
  advance(started);
  if (started->resolution.route()) return;
  deadlines_.push_back({std::chrono::steady_clock::now() + options_.deadline, started});
}

void CachingResolver::advance(const std::shared_ptr<Active>& active) {
  Resolution& resolution = active->resolution;
  for (auto questions = resolution.take_questions(); !questions.empty() && !stopped_;
       questions = resolution.take_questions()) {
    for (const Question& question : questions) {
      const auto known = lookups_.ask(question, active);
      if (known) resolution.answer(question, *known);
    }
  }
  if (resolution.route()) finish(active);
}

void CachingResolver::finish(const std::shared_ptr<Active>& active) {
  const auto found = active_.find(active->key);
  if (found != active_.end() && found->second == active) active_.erase(found);
  for (Request& request : std::exchange(active->requests, {})) {
    answer(std::move(request), active->resolution.route());
  }
}

void CachingResolver::answer(Request request, std::shared_ptr<const Route> route) {
  waiting_.fetch_sub(1);
  request.reply_on->post([done = std::move(request.done), route = std::move(route)]() mutable {
    done(std::move(route));
  });
}

void CachingResolver::reply(std::uint16_t id, Delivery delivery, const std::string& packet) {
  if (stopped_) return;
  lookups_.reply(id, delivery, packet);
  arm_timer();
}

void CachingResolver::arm_timer() {
  if (stopped_) return;
  // Those that ended need no wake-up.
  while (!deadlines_.empty() && deadlines_.front().active.expired()) deadlines_.pop_front();
  const RealTime deadline = deadlines_.empty() ? TimePoint::max() : deadlines_.front().at;
  timer_.arm(std::min(deadline, lookups_.wake_at()));
}

void CachingResolver::on_timer() {
  lookups_.pass_time();
  const RealTime now = std::chrono::steady_clock::now();
  while (!deadlines_.empty() && deadlines_.front().at <= now) {
    const std::shared_ptr<Active> late = deadlines_.front().active.lock();
    deadlines_.pop_front();
    if (!late || late->resolution.route()) continue;
    late->resolution.give_up();
    finish(late);
  }
  arm_timer();
}

void CachingResolver::stop() {
  if (stopped_) return;
  stopped_ = true;
  mailbox_.lock()->stopped = true;
  timer_.disarm();
  deadlines_.clear();
  lookups_.clear();
  transport_->close();
  take_requests();
  for (const auto& [key, active] : std::exchange(active_, {})) {
    const std::string& domain = active->resolution.domain();
    const auto route = temporary_route(domain, "MX " + domain + ": the resolver has stopped");
    for (Request& request : std::exchange(active->requests, {})) {
      answer(std::move(request), route);
    }
  }
}

}  // namespace postrider::dns
