#include "dns/lookups.h"

#include <algorithm>
#include <array>
#include <utility>

#include "relay/base/log.h"

namespace postrider::dns {

namespace {

// A quarter of all ids: so drawing an unused one takes few tries.
constexpr std::size_t kInFlightLimit = 16'384;
// RFC 2308 section 5: what does not exist is not believed for longer than this.
constexpr Seconds kNegativeTtlMax = std::chrono::hours(3);

constexpr std::array kTypes = {QueryType::kMx, QueryType::kA, QueryType::kAaaa};
constexpr std::array kTypeLabels = {"mx", "a", "aaaa"};
// In the order of Outcome.
constexpr std::array kOutcomeLabels = {
    "found",          "no_data",   "no_domain", "server_failure", "refused",
    "not_understood", "malformed", "timeout",   "unreachable",    "bad_name"};
static_assert(kOutcomeLabels.size() == static_cast<std::size_t>(Outcome::kBadName) + 1);

// Real time, not the injected clock: what is measured happens on real sockets.
TimePoint real_now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

Lookups::Lookups(const Options& options, const Clock& clock, Random& random,
                 metrics::Registry& metrics, Transport& transport)
    : options_(options),
      clock_(clock),
      random_(random),
      transport_(transport),
      cache_(options.cache_entries_max),
      in_flight_max_(std::clamp<std::size_t>(options.in_flight_max, 1, kInFlightLimit)),
      cache_hits_(metrics.counter(metrics::Metric::kDnsCacheHits)),
      cache_entries_(metrics.gauge(metrics::Metric::kDnsCacheEntries)),
      seconds_(metrics.histogram(metrics::Metric::kDnsSeconds)) {
  for (const char* label : kTypeLabels) {
    queries_.push_back(metrics.counter(metrics::Metric::kDnsQueries, label));
  }
  for (const char* label : kOutcomeLabels) {
    answers_.push_back(metrics.counter(metrics::Metric::kDnsAnswers, label));
  }
}

std::shared_ptr<const Answer> Lookups::ask(const Question& question,
                                           const std::shared_ptr<Asker>& asker) {
  if (auto cached = cache_.find(question, clock_.now())) {
    cache_hits_.add();
    return cached;
  }
  if (const auto found = pending_.find(question); found != pending_.end()) {
    found->second->askers.push_back(asker);
    return nullptr;
  }
  if (!build_query(question, 0, false, random_)) {
    count_answer(Outcome::kBadName);
    return std::make_shared<Answer>(Answer{.outcome = Outcome::kBadName});
  }
  auto pending = std::make_shared<Pending>();
  pending->question = question;
  pending->askers.push_back(asker);
  pending->server = preferred_server_;
  pending_.emplace(question, pending);
  if (question.type == QueryType::kMx) {
    waiting_.push_back(std::move(pending));
  } else {
    // A domain that has told its hosts is alive, and has waited in line once.
    waiting_.push_front(std::move(pending));
  }
  send_waiting();
  return nullptr;
}

Lookups::PendingRef Lookups::take_waiting() {
  // First tries go first: what was not answered the first time is the least likely to be. A share
  // of the places keeps repetition alive behind an endless stream of new names.
  const bool repeat =
      !again_.empty() && (waiting_.empty() || (turn_ = (turn_ + 1) % kAgainTurn) == 0);
  std::deque<PendingRef>& line = repeat ? again_ : waiting_;
  if (line.empty()) return nullptr;
  PendingRef next = std::move(line.front());
  line.pop_front();
  return next;
}

void Lookups::send_waiting() {
  while (places_.size() < in_flight_max_ && in_flight_.size() < kInFlightLimit) {
    const PendingRef next = take_waiting();
    if (!next) return;
    const bool wanted = std::any_of(next->askers.begin(), next->askers.end(),
                                    [](const auto& asker) { return !asker.expired(); });
    if (!wanted) {
      pending_.erase(next->question);
      continue;
    }
    send(next);
  }
}

void Lookups::pass_time() {
  const TimePoint now = real_now();
  while (!places_.empty() && places_.front()->sent + kPromptAnswer <= now) {
    free_place(*places_.front());
  }
  send_waiting();
}

TimePoint Lookups::wake_at() const {
  const bool waits = !waiting_.empty() || !again_.empty();
  return waits && !places_.empty() ? places_.front()->sent + kPromptAnswer : TimePoint::max();
}

void Lookups::free_place(Pending& pending) {
  // Out of the record first: the place may hold the last reference to it.
  if (const auto place = std::exchange(pending.place, std::nullopt)) places_.erase(*place);
}

std::uint16_t Lookups::unused_id() {
  for (;;) {
    const auto id = static_cast<std::uint16_t>(random_.below(65'536));
    if (!in_flight_.contains(id)) return id;
  }
}

void Lookups::send(const PendingRef& pending) {
  const std::uint16_t id = unused_id();
  pending->query = *build_query(pending->question, id, pending->edns, random_);
  in_flight_.emplace(id, pending);
  pending->sent = real_now();
  if (pending->started == TimePoint{}) pending->started = pending->sent;
  pending->place = places_.insert(places_.end(), pending);
  count_query(pending->question.type);
  transport_.send(pending->server, pending->tcp, pending->query);
}

void Lookups::reply(std::uint16_t id, Delivery delivery, const std::string& packet) {
  auto found = in_flight_.extract(id);
  if (found.empty()) return;
  const PendingRef pending = std::move(found.mapped());
  free_place(*pending);
  Reading reading;
  if (delivery == Delivery::kAnswered) {
    reading = read_answer(packet, pending->query);
    reading.answer.authentic &= options_.trust_ad || transport_.is_local(pending->server);
  } else {
    const bool timeout = delivery == Delivery::kTimeout;
    reading.answer.outcome = timeout ? Outcome::kTimeout : Outcome::kUnreachable;
  }
  const Outcome outcome = reading.answer.outcome;
  if (ask_differently(pending, reading)) {
    send(pending);
  } else if (!is_definite(outcome) && ask_elsewhere(pending, outcome)) {
    again_.push_back(pending);
  } else {
    complete(pending, std::move(reading.answer));
  }
  send_waiting();
}

bool Lookups::ask_differently(const PendingRef& pending, const Reading& reading) {
  // Over TCP a forger would have to be on the path, so the name's case proves nothing more there.
  const bool needs_tcp = !pending->tcp && (reading.truncated || reading.case_changed);
  const bool without_edns =
      pending->edns && !needs_tcp && reading.answer.outcome == Outcome::kNotUnderstood;
  if (!needs_tcp && !without_edns) return false;
  if (needs_tcp) pending->tcp = true;
  if (without_edns) pending->edns = false;
  return true;
}

bool Lookups::ask_elsewhere(const PendingRef& pending, Outcome outcome) {
  const std::size_t servers = transport_.servers();
  // Silence may be a lost packet, and servers drop idle TCP connections as they like: worth another
  // round. An answer that is no use will be the same a moment later.
  const bool again = outcome == Outcome::kTimeout || pending->tcp;
  const std::size_t tries_max = again ? servers * std::max(options_.tries, 1U) : servers;
  const std::size_t next = (pending->server + 1) % servers;
  const bool lost = outcome == Outcome::kTimeout || outcome == Outcome::kUnreachable;
  if (lost && servers > 1 && pending->server == preferred_server_) {
    log::warning("dns", "server does not answer, preferring the next",
                 {{"server", transport_.server_name(pending->server)},
                  {"next", transport_.server_name(next)}});
    preferred_server_ = next;
  }
  if (++pending->tried >= tries_max) return false;
  pending->server = next;
  return true;
}

void Lookups::complete(const PendingRef& pending, Answer answer) {
  const Outcome outcome = answer.outcome;
  seconds_.observe(std::chrono::duration<double>(real_now() - pending->started).count());
  count_answer(outcome);
  if (outcome == Outcome::kTimeout || outcome == Outcome::kUnreachable) {
    log::warning("dns", "no DNS server answers",
                 {{"question", to_string(pending->question)}, {"last", to_string(outcome)}});
  }
  const auto kept = std::make_shared<const Answer>(std::move(answer));
  pending_.erase(pending->question);
  keep(pending->question, kept);
  for (const auto& waiting : pending->askers) {
    if (const auto asker = waiting.lock()) asker->answered(pending->question, *kept);
  }
}

void Lookups::keep(const Question& question, const std::shared_ptr<const Answer>& answer) {
  Seconds ttl = options_.failure_ttl;
  if (is_definite(answer->outcome)) {
    ttl = std::min(std::max(answer->ttl, options_.ttl_min), options_.ttl_max);
    if (answer->outcome != Outcome::kFound) ttl = std::min(ttl, kNegativeTtlMax);
  }
  cache_.put(question, answer, clock_.now() + ttl);
  cache_entries_.set(static_cast<double>(cache_.size()));
}

void Lookups::clear() {
  pending_.clear();
  in_flight_.clear();
  places_.clear();
  waiting_.clear();
  again_.clear();
}

void Lookups::count_query(QueryType type) {
  const auto place = std::find(kTypes.begin(), kTypes.end(), type) - kTypes.begin();
  queries_[static_cast<std::size_t>(place)].add();
}

void Lookups::count_answer(Outcome outcome) {
  answers_[static_cast<std::size_t>(outcome)].add();
}

}  // namespace postrider::dns
