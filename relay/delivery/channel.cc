#include "relay/delivery/channel.h"

#include <algorithm>
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

}  // namespace

Channel::Channel(Shared& shared, event::Loop& loop, ChannelOwner& owner, const Hop& hop,
                 std::vector<Target> targets)
    : shared_(shared), loop_(loop), owner_(owner), hop_(hop), targets_(std::move(targets)) {
  // Not the ranges form: Clang 14 does not compile it with this standard library.
  std::stable_partition(targets_.begin(), targets_.end(),
                        [&owner](const Target& target) { return !owner.is_avoided(target); });
}

Channel::~Channel() {
  set_idle(false);
}

void Channel::open() {
  dial();
}

void Channel::dial() {
  ConnectionOptions options{target(), start_tls_use(), owner_.session_for(target()), &hop_};
  connection_ = std::make_unique<Connection>(shared_, loop_, *this, std::move(options));
  connection_->start();
}

smtp::StartTlsUse Channel::start_tls_use() const {
  switch (hop_.tls) {
    case policy::TlsLevel::kNone:
      return smtp::StartTlsUse::kNever;
    case policy::TlsLevel::kMay:
      return plaintext_once_ ? smtp::StartTlsUse::kNever : smtp::StartTlsUse::kIfOffered;
    case policy::TlsLevel::kEncrypt:
    case policy::TlsLevel::kVerify:
      break;
  }
  return smtp::StartTlsUse::kRequired;
}

void Channel::on_ready() {
  if (!ready_) {
    ready_ = true;
    owner_.note_target(connection_->target(), true);
    shared_.meters.connections_ok.add();
  }
  // Also lets a farm of MX hosts behind one address spread the load.
  if (retired_ ||
      connection_->session().transactions() >= shared_.options.messages_per_connection_max) {
    return quit();
  }
  set_idle(true);
  owner_.on_idle(*this);
}

void Channel::on_idle_timeout() {
  quit();
}

void Channel::set_idle(bool idle) {
  if (idle == idle_) return;
  idle_ = idle;
  shared_.meters.connections_idle.add(idle ? 1 : -1);
}

void Channel::carry(Parcel parcel) {
  set_idle(false);
  if (connection_->session().transactions() > 0) shared_.meters.connections_reused.add();
  const queue::Lease& lease = parcel.lease;
  smtp::Transaction transaction{lease.message().envelope, lease.recipients(), *lease.body()};
  parcel_ = std::move(parcel);
  connection_->send(std::move(transaction));
}

void Channel::quit() {
  set_idle(false);
  leaving_ = true;
  connection_->quit();
}

AttemptFacts Channel::facts() const {
  AttemptFacts facts;
  facts.host = connection_->target().host;
  facts.ip = connection_->target().ip.to_string();
  facts.tls = connection_->tls_text();
  facts.source = connection_->source_text();
  facts.dsn_passed = connection_->session().capabilities().dsn;
  return facts;
}

void Channel::on_transaction_done(smtp::TransactionDone done) {
  Parcel parcel = *std::exchange(parcel_, std::nullopt);
  if (connection_->session().transactions() > 1 && (done.untouched || wants_new_connection(done))) {
    retired_ = true;
    return owner_.on_untouched(*this, std::move(parcel));
  }
  if (done.final_reply_lost) {
    shared_.meters.final_replies_lost.add();
    log::warning(
        "delivery", "the reply to the end of data was lost; the message may arrive twice",
        {{"id", parcel.lease.message().id.to_string()}, {"host", connection_->target().host}});
  }
  owner_.on_carried(*this, std::move(parcel), std::move(done.results), facts());
}

void Channel::on_ended(const smtp::Ended& ended) {
  set_idle(false);
  const Target target = connection_->target();
  if (auto session = connection_->take_session()) owner_.keep_session(target, std::move(*session));
  const smtp::Ended met = ended;  // the connection that holds it goes first
  if (ready_) {
    connection_.reset();
    return owner_.on_ended(*this, std::nullopt);
  }
  connection_.reset();
  shared_.meters.connections_failed.at(met.stage).add();
  log::info("delivery", "no connection",
            {{"host", target.host},
             {"ip", target.ip.to_string()},
             {"stage", message::name_of(met.stage)},
             {"reason", met.status.to_line()}});
  const bool tls_failed = met.stage == Stage::kHandshake;
  if (tls_failed && !plaintext_once_ &&
      policy::after_tls_failure(hop_.tls) == policy::AfterTlsFailure::kPlaintextOnce) {
    plaintext_once_ = true;
    return dial();
  }
  plaintext_once_ = false;
  owner_.note_target(target, false);
  if (next_target_ + 1 < targets_.size()) {
    ++next_target_;
    return dial();
  }
  owner_.on_ended(*this, met);
}

}  // namespace postrider::delivery
