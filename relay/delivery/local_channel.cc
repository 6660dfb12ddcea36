#include "relay/delivery/local_channel.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "relay/base/log.h"
#include "relay/policy/failure.h"
#include "relay/policy/tls_demand.h"

namespace postrider::delivery {

using message::Stage;

namespace {

bool wants_new_connection(const smtp::TransactionDone& done) {
  return std::ranges::all_of(done.results, [](const smtp::RecipientResult& result) {
    return policy::wants_new_connection(result.stage, result.status);
  });
}

struct Assessment {
  Carried carried;
  // RFC 5321 section 5.1: where one host cannot serve, the others are tried before the mail waits.
  bool for_another_host = true;
};

Assessment assess(const policy::ReplyRules& replies,
                  const std::vector<smtp::RecipientResult>& results) {
  Assessment assessment;
  Carried& carried = assessment.carried;
  for (const smtp::RecipientResult& result : results) {
    const policy::ReplyRules::Decision decision = replies.judge(result.stage, result.status);
    const policy::Judgement& judgement = decision.judgement;
    carried.rest = std::max(carried.rest, decision.rest);
    if (judgement.effect == policy::SiteEffect::kRest) {
      carried.rest_stage = result.stage;
      carried.rest_reason = result.status;
    }
    carried.slow_down |= judgement.effect == policy::SiteEffect::kSlowDown;
    carried.verdict |= judgement.action != policy::Action::kRetryLater &&
                       judgement.effect == policy::SiteEffect::kNone;
    assessment.for_another_host &= judgement.effect == policy::SiteEffect::kNextHost;
  }
  return assessment;
}

}  // namespace

LocalChannel::LocalChannel(Shared& shared, event::Loop& loop, ChannelOwner& owner,
                           ChannelOptions options, std::vector<Target> targets)
    : shared_(shared),
      loop_(loop),
      owner_(owner),
      options_(std::move(options)),
      targets_(std::move(targets)),
      next_attempt_(loop, [this] { dial_next(); }) {
  // Not the ranges form: Clang 14 does not compile it with this standard library.
  std::stable_partition(targets_.begin(), targets_.end(),
                        [this, now = shared.clock.now()](const Target& target) {
                          return !shared_.health.is_avoided(endpoint_of(target), now);
                        });
}

LocalChannel::~LocalChannel() {
  *alive_ = false;
  set_idle(false);
  if (!parcel_ || results_.empty()) return;
  fill_results({0, {}, "the delivery was cut"});
  conclude(shared_, loop_, std::move(parcel_->lease), std::move(results_), facts());
}

void LocalChannel::open() {
  for (std::size_t i = 0; i < targets_.size(); ++i) left_.push_back(i);
  dial_next();
}

void LocalChannel::dial_next() {
  const std::size_t next = left_.front();
  left_.pop_front();
  dial(next);
}

void LocalChannel::dial(std::size_t target) {
  target_ = target;
  const Target& to = targets_[target];
  ConnectionOptions options{to, start_tls_use(to), options_.sessions->take(to), options_.hop,
                            options_.source};
  attempts_.push_back(
      {target, std::make_unique<Connection>(shared_, loop_, *this, std::move(options))});
  next_attempt_.arm(left_.empty() ? TimePoint::max() : shared_.clock.now() + kNextAttemptAfter);
  attempts_.back().connection->start();
}

void LocalChannel::on_connected(Connection& connection) {
  next_attempt_.disarm();
  for (Attempt& attempt : std::exchange(attempts_, {})) {
    if (attempt.connection.get() == &connection) {
      target_ = attempt.target;
      connection_ = std::move(attempt.connection);
    } else {
      // It may be the one that serves us, should this one not.
      left_.push_back(attempt.target);
    }
  }
}

Endpoint LocalChannel::endpoint_of(const Target& target) const {
  return {target.ip, options_.hop->port};
}

smtp::StartTlsUse LocalChannel::start_tls_use(const Target& target) const {
  switch (options_.hop->tls) {
    case policy::TlsLevel::kNone:
      return smtp::StartTlsUse::kNever;
    case policy::TlsLevel::kMay:
      return plaintext_once_ ||
                     shared_.tls_health.is_avoided(endpoint_of(target), shared_.clock.now())
                 ? smtp::StartTlsUse::kNever
                 : smtp::StartTlsUse::kIfOffered;
    case policy::TlsLevel::kEncrypt:
    case policy::TlsLevel::kVerify:
      break;
  }
  return smtp::StartTlsUse::kRequired;
}

void LocalChannel::on_ready() {
  if (!ready_) {
    ready_ = true;
    note_health(connection_->target(), true);
    shared_.meters.connections_ok.add();
  }
  if (parcel_) return send_part();
  // Also lets a farm of MX hosts behind one address spread the load.
  if (retired_ || (carried() > 0 && carried() >= messages_max_)) return quit();
  set_idle(true);
  owner_.on_idle(*this);
}

void LocalChannel::on_idle_timeout() {
  quit();
}

void LocalChannel::set_idle(bool idle) {
  if (idle == idle_) return;
  idle_ = idle;
  shared_.meters.connections_idle.add(idle ? 1 : -1);
}

void LocalChannel::carry(Parcel parcel, unsigned messages_max) {
  set_idle(false);
  messages_max_ = messages_max;
  if (connection_->session().transactions() > 0) shared_.meters.connections_reused.add();
  parcel_ = std::move(parcel);
  results_.clear();
  send_part();
}

void LocalChannel::send_part() {
  const queue::Lease& lease = parcel_->lease;
  const auto& all = lease.recipients();
  const std::size_t count =
      std::min<std::size_t>(all.size() - results_.size(), std::max(1U, options_.recipients_max));
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(results_.size());
  next_piece_ = 0;
  connection_->send({lease.message().envelope,
                     {first, first + static_cast<std::ptrdiff_t>(count)},
                     parcel_->text ? message::Body() : *lease.body(),
                     parcel_->text});
}

void LocalChannel::on_text_wanted() {
  shared_.queue.read_piece(
      parcel_->lease, next_piece_++,
      [this, alive = alive_, &loop = loop_](Result<message::Body> read) mutable {
        loop.post([this, alive = std::move(alive), read = std::move(read)] {
          if (*alive) pass_on(read);
        });
      });
}

void LocalChannel::pass_on(const Result<message::Body>& piece) {
  // The transaction may have ended meanwhile, and its connection with it.
  if (!connection_ || !parcel_) return;
  if (piece) return connection_->give_text(*piece);
  log::error("delivery", "a message cannot be read to its end",
             {{"id", parcel_->lease.message().id.to_string()}, {"error", piece.error().text()}});
  if (queue::is_damage(piece.error())) shared_.queue.condemn(parcel_->lease);
  connection_->text_failed("the message could not be read from the queue");
}

void LocalChannel::fill_results(const message::Status& status) {
  results_.resize(parcel_->lease.recipients().size(), {Stage::kMail, status});
}

void LocalChannel::quit() {
  set_idle(false);
  leaving_ = true;
  owner_.on_leaving(*this);
  connection_->quit();
}

unsigned LocalChannel::carried() const {
  return connection_ ? connection_->session().transactions() : 0;
}

AttemptFacts LocalChannel::facts() const {
  AttemptFacts facts;
  facts.site = options_.site;
  facts.replies = options_.replies;
  facts.host = connection_->target().host;
  facts.ip = connection_->target().ip_text();
  facts.tls = connection_->tls_text();
  facts.source = connection_->source_text();
  facts.dsn_passed = connection_->session().capabilities().dsn;
  facts.final_delivery = options_.hop->protocol == smtp::Protocol::kLmtp;
  return facts;
}

void LocalChannel::on_transaction_done(smtp::TransactionDone done) {
  if (results_.empty() && connection_->session().transactions() > 1 &&
      (done.untouched || wants_new_connection(done))) {
    if (done.untouched) {
      owner_.on_closed_by_peer(carried() - 1, shared_.clock.now() - answered_at_);
    }
    retired_ = true;
    return owner_.on_untouched(*this, *std::exchange(parcel_, std::nullopt));
  }
  if (done.final_reply_lost) {
    shared_.meters.final_replies_lost.add();
    log::warning(
        "delivery", "the reply to the end of data was lost; the message may arrive twice",
        {{"id", parcel_->lease.message().id.to_string()}, {"host", connection_->target().host}});
  }
  answered_at_ = shared_.clock.now();
  std::ranges::move(done.results, std::back_inserter(results_));
  // With some left, on_ready() goes on.
  if (results_.size() < parcel_->lease.recipients().size()) return;
  conclude_parcel();
}

void LocalChannel::conclude_parcel() {
  Parcel parcel = *std::exchange(parcel_, std::nullopt);
  std::vector<smtp::RecipientResult> results = std::exchange(results_, {});
  const Assessment assessment = assess(*options_.replies, results);
  if (assessment.for_another_host) {
    note_health(target(), false);
    retired_ = true;
    return owner_.on_turned_away(*this, std::move(parcel), std::move(results), facts());
  }
  conclude(shared_, loop_, std::move(parcel.lease), std::move(results), facts());
  owner_.on_carried(*this, assessment.carried);
}

void LocalChannel::note_health(const Target& target, bool works) {
  // There is no other place to go to in place of a socket.
  if (!target.path.empty()) return;
  shared_.health.note(endpoint_of(target), works, shared_.clock.now());
}

void LocalChannel::on_ended(Connection& connection, const smtp::Ended& ended) {
  const smtp::Ended met = ended;  // the connection that holds it goes first
  if (&connection != connection_.get()) {
    const auto attempt = std::ranges::find_if(
        attempts_, [&connection](const Attempt& a) { return a.connection.get() == &connection; });
    const std::size_t target = attempt->target;
    const std::unique_ptr<Connection> gone = std::move(attempt->connection);
    attempts_.erase(attempt);
    return give_up(target, met);
  }
  const bool idle_was = idle_;
  set_idle(false);
  if (parcel_) {  // between two of its transactions
    fill_results(met.status);
    conclude_parcel();
  }
  if (met.orderly && idle_was && !leaving_) {
    owner_.on_closed_by_peer(carried(), shared_.clock.now() - answered_at_);
  }
  if (auto session = connection_->take_session()) {
    options_.sessions->keep(target(), std::move(*session));
  }
  connection_.reset();
  if (ready_) return owner_.on_ended(*this, std::nullopt);
  if (met.stage == Stage::kHandshake && !plaintext_once_ &&
      policy::after_tls_failure(options_.hop->tls) == policy::AfterTlsFailure::kPlaintextOnce) {
    note_failure(target(), met);
    shared_.tls_health.note(endpoint_of(target()), false, shared_.clock.now());
    plaintext_once_ = true;
    return dial(target_);
  }
  plaintext_once_ = false;
  give_up(target_, met);
}

void LocalChannel::note_failure(const Target& target, const smtp::Ended& met) {
  shared_.meters.connections_failed.at(met.stage).add();
  log::info("delivery", "no connection",
            {{"host", target.host},
             {"ip", target.ip_text()},
             {"stage", message::name_of(met.stage)},
             {"reason", met.status.to_line()}});
}

void LocalChannel::give_up(std::size_t target, const smtp::Ended& met) {
  note_failure(targets_[target], met);
  note_health(targets_[target], false);
  if (!left_.empty()) return dial_next();
  if (!attempts_.empty()) return;
  target_ = target;
  owner_.on_ended(*this, met);
}

}  // namespace postrider::delivery
