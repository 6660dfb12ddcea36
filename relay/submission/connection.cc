#include "relay/submission/connection.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "relay/base/log.h"

namespace postrider::submission {

using message::Status;

namespace {

constexpr std::string_view kTooManyHandshakes =
    "Too many TLS handshakes are in progress; try again soon";

}  // namespace

Connection::Connection(Receiver& receiver, std::uint64_t id, Accepted accepted)
    : receiver_(receiver),
      id_(id),
      listener_(*accepted.listener),
      peer_(accepted.peer),
      entry_(std::move(accepted.entry)),
      session_(listener_.session),
      intake_(receiver.shared(),
              [&receiver, &loop = receiver.loop(), id](Task task) {
                loop.post([&receiver, id, task = std::move(task)]() mutable {
                  Connection* self = receiver.find(id);
                  if (self == nullptr) return;
                  task();
                  self->text_advanced();
                });
              }),
      timer_(receiver.loop(), [this] { on_timer(); }),
      descriptor_(std::move(accepted.descriptor)) {
  if (accepted.proxied) proxy_header_.emplace();
  listener_.open.add(1);
}

Connection::~Connection() {
  listener_.open.add(-1);
}

void Connection::start() {
  auto stream = event::Stream::adopt(receiver_.loop(), std::move(descriptor_), *this);
  if (!stream) {
    log::warning("submission", "accepted connection cannot be used",
                 {{"peer", peer_.to_string()}, {"error", stream.error().text()}});
    phase_ = Phase::kGone;
    return settle();
  }
  stream_ = std::move(*stream);
  if (proxy_header_) {
    own_deadline_ = now() + kProxyHeaderDeadline;
    return settle();
  }
  open_session();
  drain();
}

bool Connection::read_proxy_header(std::string_view& bytes) {
  const ProxyHeader::State state = proxy_header_->feed(bytes);
  if (state == ProxyHeader::State::kIncomplete) return false;
  if (state == ProxyHeader::State::kMalformed) {
    drop("proxy_header", proxy_header_->defect());
    settle();
    return false;
  }
  Gate& gate = receiver_.shared().gate;
  const bool is_named = proxy_header_->client() || proxy_header_->is_local();
  peer_ = proxy_header_->client().value_or(peer_);
  proxy_header_.reset();
  own_deadline_ = TimePoint::max();
  entry_ = is_named ? gate.admit(peer_, listener_) : gate.admit_unnamed(peer_, listener_);
  open_session();
  return true;
}

void Connection::open_session() {
  session_.offer_scram(receiver_.shared().authenticator.users()->has_scram());
  session_.tell_time(receiver_.shared().clock.wall(), now());
  if (listener_.options.mode == smtp::ListenerMode::kSubmissions) {
    // A refusal before TLS cannot be said in words the client understands.
    if (entry_.refusal) {
      phase_ = Phase::kGone;
      return;
    }
    return begin_tls();
  }
  if (entry_.refusal) {
    session_.refuse(*entry_.refusal, now());
  } else {
    session_.start(now());
  }
}

void Connection::drop(std::string_view reason, std::string_view words) {
  receiver_.shared().gate.note_refusal(peer_.to_string(), reason, words);
  phase_ = Phase::kGone;
}

void Connection::shut_down() {
  if (phase_ != Phase::kOpen) return;
  if (proxy_header_ || (tls_ && !tls_established_)) {  // nothing can be said in these states
    phase_ = Phase::kGone;
    return settle();
  }
  session_.shut_down(now());
  drain();
}

void Connection::on_data(std::string_view bytes) {
  if (phase_ != Phase::kOpen) return;  // lingering: read and forget
  if (proxy_header_ && !read_proxy_header(bytes)) return;
  if (tls_ && !bytes.empty() && !place_handshake()) return settle();
  if (tls_) return receive_tls(bytes);
  if (phase_ == Phase::kOpen) session_.receive(bytes, now());
  drain();
}

bool Connection::place_handshake() {
  if (tls_established_ || handshake_) return true;
  handshake_ = receiver_.shared().handshakes.take(peer_.ip);
  if (!handshake_) drop("handshakes", kTooManyHandshakes);
  return handshake_ != nullptr;
}

void Connection::receive_tls(std::string_view bytes) {
  if (!tls_established_) return shake_hands(bytes);
  std::string plain;  // not kept: thousands of connections wait
  tls_->receive(bytes, plain);
  received_tls(plain);
}

void Connection::shake_hands(std::string_view bytes) {
  shaking_hands_ = true;
  receiver_.shared().handshaker.receive(
      tls_, std::string(bytes), receiver_.loop(),
      [&receiver = receiver_, id = id_](const std::string& plain) {
        Connection* self = receiver.find(id);
        if (self == nullptr) return;
        self->shaking_hands_ = false;
        self->received_tls(plain);
      });
  settle();
}

void Connection::received_tls(std::string_view plain) {
  if (phase_ != Phase::kOpen) return settle();
  const tls::Engine::State state = tls_->state();
  flush_tls();
  if (state == tls::Engine::State::kFailed) {
    handshake_.reset();
    if (!tls_established_) receiver_.counters().tls_failed.add();
    log::info("submission", "TLS failed", {{"peer", peer_.to_string()}, {"error", tls_->error()}});
    session_.end_of_input(now());
    drain();
    return;
  }
  if (!tls_established_ && state != tls::Engine::State::kHandshaking) {
    tls_opened();
  }
  if (!plain.empty()) session_.receive(plain, now());
  if (state == tls::Engine::State::kPeerClosed) {
    drain_actions();
    if (phase_ == Phase::kOpen) session_.end_of_input(now());
  }
  drain();
}

void Connection::tls_opened() {
  tls_established_ = true;
  handshake_.reset();
  own_deadline_ = TimePoint::max();
  receiver_.counters().tls_ok.add();
  const tls::Facts& facts = tls_->facts();
  const bool is_known = receiver_.shared().authenticator.users()->knows(facts.names);
  session_.tls_established({facts.version, facts.cipher, facts.resumed, facts.verified, is_known},
                           now());
  if (listener_.options.mode == smtp::ListenerMode::kSubmissions) session_.start(now());
}

void Connection::on_end() {
  input_ended_ = true;
  if (phase_ == Phase::kOpen) session_.end_of_input(now());
  drain();
}

void Connection::on_failure(const Error& error) {
  log::debug("submission", "connection failed",
             {{"peer", peer_.to_string()}, {"error", error.text()}});
  if (phase_ == Phase::kOpen) {
    session_.end_of_input(now());
    while (auto action = session_.next()) {
      if (std::holds_alternative<smtp::AbortBody>(*action)) intake_.abort();
    }
  }
  phase_ = Phase::kGone;
  settle();
}

void Connection::on_drained() {
  settle();
}

void Connection::on_timer() {
  const TimePoint time = now();
  if (time >= own_deadline_) {  // PROXY header, handshake or lingering took too long
    if (proxy_header_) {
      drop("proxy_header", "the PROXY header did not come in time");
    } else if (phase_ == Phase::kOpen) {
      receiver_.counters().tls_failed.add();
    }
    phase_ = Phase::kGone;
    return settle();
  }
  if (phase_ == Phase::kOpen && time >= intake_.deadline()) {
    log::warning("submission", "a text was given up: the store does not take it",
                 {{"peer", peer_.to_string()}});
    intake_.give_up();
    return text_advanced();
  }
  if (phase_ == Phase::kOpen && time >= session_.deadline()) session_.tick(time);
  drain();
}

void Connection::drain() {
  drain_actions();
  settle();
}

void Connection::drain_actions() {
  while (phase_ == Phase::kOpen) {
    auto action = session_.next();
    if (!action) break;
    std::visit([this](auto& what) { carry_out(what); }, *action);
  }
}

void Connection::carry_out(smtp::Send& action) {
  write(std::move(action.bytes));
}

void Connection::carry_out(const smtp::AskTls&) {
  handshake_ = receiver_.shared().handshakes.take(peer_.ip);
  if (handshake_) return session_.answer({220, {2, 0, 0}, "Ready to start TLS"}, now());
  session_.answer({454, {4, 7, 0}, std::string(kTooManyHandshakes)}, now(), "handshakes");
}

void Connection::carry_out(const smtp::StartTls&) {
  begin_tls();
}

void Connection::begin_tls() {
  auto context = *listener_.tls.lock();
  tls_ = std::make_shared<tls::Engine>(tls::Engine::server(std::move(context)));
  own_deadline_ = now() + kHandshakeDeadline;
}

void Connection::carry_out(const smtp::AskSender&) {
  intake_.forget_recipients();
  const auto answer = intake_.answer_sender(session_);
  if (const auto* denied = std::get_if<Denied>(&answer)) {
    return session_.answer(denied->status, now(), denied->reason);
  }
  session_.answer(std::get<message::Status>(answer), now());
}

void Connection::carry_out(const smtp::AskRecipient& action) {
  if (const auto denied = intake_.quota_denial(session_)) {
    return session_.answer(denied->status, now(), denied->reason);
  }
  const message::Status verdict = intake_.recipient_verdict(action.recipient);
  if (verdict.code / 100 == 2) {
    if (const auto denied = intake_.hold_recipient(peer_.ip, action.recipient)) {
      return session_.answer(denied->status, now(), denied->reason);
    }
  }
  session_.answer(verdict, now());
}

void Connection::carry_out(const smtp::BeginBody&) {
  intake_.begin(peer_.ip);
}

void Connection::carry_out(const smtp::BodyPart& action) {
  intake_.append(action.bytes);
}

void Connection::carry_out(const smtp::AbortBody&) {
  intake_.abort();
}

void Connection::carry_out(const smtp::Refused& action) {
  Shared& shared = receiver_.shared();
  shared.metrics.counter(metrics::Metric::kRepliesRefused, action.reason).add();
  // Of a connection the gate has said it.
  if (entry_.refusal) return;
  if (const auto unsaid = shared.refusals.note(action.reason, now())) {
    log::info("submission", "refused: " + std::string(action.reason),
              {{"peer", peer_.to_string()},
               {"code", action.code},
               {"user", session_.user()},
               {"unsaid_before", *unsaid}});
  }
}

void Connection::carry_out(const smtp::AskCommit&) {
  commit_asked_ = now();
  if (!intake_.is_writing()) commit();
}

void Connection::text_advanced() {
  if (phase_ == Phase::kOpen && commit_asked_ && !intake_.is_writing()) commit();
  drain();
}

void Connection::commit() {
  // The loop by itself: when the answer comes late, the loop is what is still there.
  auto done = [&receiver = receiver_, &loop = receiver_.loop(), id = id_,
               started = *std::exchange(commit_asked_, std::nullopt)](const Receipt& receipt) {
    loop.post([&receiver, id, started, receipt] {
      receiver.count(receipt, started);
      if (Connection* self = receiver.find(id)) self->committed(receipt);
    });
  };
  const auto refused =
      intake_.commit(session_, peer_.ip, listener_.session.host_name, std::move(done));
  if (refused) session_.answer(refused->status, now(), refused->reason);
}

void Connection::committed(const Receipt& receipt) {
  if (phase_ != Phase::kOpen) return;
  session_.answer(receipt.reply(), now(), receipt.denied ? receipt.denied->reason : "");
  drain();
}

void Connection::carry_out(const smtp::Close& action) {
  log::debug("submission", "closing", {{"peer", peer_.to_string()}, {"reason", action.reason}});
  if (tls_ && tls_established_) {
    tls_->close();
    flush_tls();
  }
  stream_->finish();
  phase_ = Phase::kLingering;
  lingering_ = receiver_.shared().lingering.take();
  own_deadline_ = now() + (lingering_ ? kLinger : Duration::zero());
}

void Connection::write(std::string bytes) {
  if (!tls_) return stream_->write(std::move(bytes));
  if (!tls_established_) return;  // no words before the handshake is through
  tls_->send(bytes);
  flush_tls();
}

void Connection::flush_tls() {
  std::string output = tls_->take_output();
  if (!output.empty()) stream_->write(std::move(output));
}

void Connection::settle() {
  if (phase_ == Phase::kLingering && input_ended_ && stream_->unsent() == 0) phase_ = Phase::kGone;
  if (phase_ == Phase::kGone) return receiver_.remove(id_);
  if (session_.recipients().empty()) intake_.forget_recipients();
  session_.hold(intake_.is_full(), now());
  const bool read =
      phase_ == Phase::kLingering || (!shaking_hands_ && session_.wants_input() &&
                                      !intake_.is_full() && stream_->unsent() < kUnsentMax);
  if (read != reading_) {
    reading_ = read;
    read ? stream_->resume() : stream_->pause();
  }
  TimePoint deadline = own_deadline_;
  if (phase_ == Phase::kOpen) {
    deadline = std::min({deadline, session_.deadline(), intake_.deadline()});
  }
  timer_.arm(deadline);
}

}  // namespace postrider::submission
