#include "relay/delivery/connection.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

namespace postrider::delivery {

using message::Stage;

namespace {

smtp::ClientOptions session_options(const Shared& shared, const ConnectionOptions& connection) {
  smtp::ClientOptions options;
  options.helo_name = connection.source->host_name;
  options.protocol = connection.hop->protocol;
  options.start_tls = connection.start_tls;
  options.login = connection.hop->login;
  options.chunking = shared.options.chunking;
  options.timeouts = shared.options.timeouts;
  return options;
}

}  // namespace

Connection::Connection(Shared& shared, event::Loop& loop, ConnectionOwner& owner,
                       ConnectionOptions options)
    : shared_(shared),
      loop_(loop),
      owner_(owner),
      options_(std::move(options)),
      session_options_(session_options(shared, options_)),
      session_(session_options_),
      timer_(loop, [this] { on_timer(); }),
      own_deadline_(TimePoint::max()),
      alive_(std::make_shared<bool>(true)) {
  shared_.meters.connections_open.add(1);
}

Connection::~Connection() {
  *alive_ = false;
  shared_.meters.connections_open.add(-1);
}

void Connection::start() {
  own_deadline_ = now() + shared_.options.connect_timeout;
  auto stream = connect();
  if (stream) {
    stream_ = std::move(*stream);
  } else {
    connect_failed(stream.error().text());
  }
  settle();
}

Result<event::Stream> Connection::connect() {
  const Target& target = options_.target;
  if (!target.path.empty()) return event::Stream::connect_local(loop_, target.path, *this);
  return event::Stream::connect(loop_, Endpoint{target.ip, options_.hop->port},
                                options_.source->address_for(target.ip), *this);
}

void Connection::connect_failed(std::string_view text) {
  const Target& target = options_.target;
  const std::string where =
      target.path.empty() ? target.host + "[" + target.ip.to_string() + "]" : target.host;
  ended_ = smtp::Ended{
      Stage::kConnect, {0, {}, "connect to " + where + ": " + std::string(text)}, false};
}

void Connection::on_connected() {
  connected_ = true;
  owner_.on_connected(*this);
  if (options_.hop->implicit_tls) {
    own_deadline_ = now() + shared_.options.timeouts.start_tls;
    start_tls();
    return settle();
  }
  own_deadline_ = TimePoint::max();
  session_started_ = true;
  session_.start(now());
  drain();
}

void Connection::send(smtp::Transaction transaction) {
  idle_ = false;
  own_deadline_ = TimePoint::max();
  session_.send(std::move(transaction), now());
  if (!draining_) drain();
}

void Connection::give_text(const message::Body& piece) {
  session_.text(piece, now());
  drain();
}

void Connection::text_failed(std::string_view reason) {
  session_.text_failed(reason, now());
  drain();
}

void Connection::quit() {
  idle_ = false;
  own_deadline_ = TimePoint::max();
  session_.quit(now());
  if (!draining_) drain();
}

void Connection::on_data(std::string_view bytes) {
  if (ended_) return;
  note_sent();
  if (tls_) return receive_tls(bytes);
  session_.receive(bytes, now());
  drain();
}

void Connection::receive_tls(std::string_view bytes) {
  if (!tls_established_) return shake_hands(bytes);
  std::string plain;  // not kept: thousands of connections wait
  tls_->receive(bytes, plain);
  received_tls(plain);
}

void Connection::shake_hands(std::string_view bytes) {
  stream_->pause();
  shared_.handshaker.receive(tls_, std::string(bytes), loop_,
                             [this, alive = alive_](const std::string& plain) {
                               if (!*alive || ended_) return;
                               stream_->resume();
                               received_tls(plain);
                             });
}

void Connection::received_tls(std::string_view plain) {
  const tls::Engine::State state = tls_->state();
  flush_tls();
  if (!tls_established_ && state == tls::Engine::State::kFailed) {
    shared_.meters.tls_failed.add();
    handshake_failed(tls_->error());
    return drain();
  }
  if (!tls_established_ && state != tls::Engine::State::kHandshaking) tls_established();
  if (!plain.empty()) session_.receive(plain, now());
  if (const std::string_view why = end_of_tls(state); !why.empty()) {
    drain_actions();  // what was said before counts
    if (!ended_) session_.connection_lost(why, now());
  }
  drain();
}

// Why an established connection cannot go on, or "".
std::string_view Connection::end_of_tls(tls::Engine::State state) const {
  if (state == tls::Engine::State::kFailed) return tls_->error();
  if (state == tls::Engine::State::kPeerClosed) return "the peer closed the TLS connection";
  if (stream_->unsent() > kTlsUnsentMax)
    return "the peer asks for more answers of TLS than it reads";
  return "";
}

void Connection::tls_established() {
  tls_established_ = true;
  const tls::Facts& facts = tls_->facts();
  (facts.resumed ? shared_.meters.tls_resumed : shared_.meters.tls_full).add();
  const smtp::TlsFacts told{facts.version, facts.cipher, facts.resumed, facts.verified};
  if (session_started_) return session_.tls_established(told, now());
  session_started_ = true;
  own_deadline_ = TimePoint::max();
  session_.start(now(), told);
}

void Connection::handshake_failed(std::string_view reason) {
  if (session_started_) return session_.tls_failed(reason, now());
  if (!ended_) ended_ = smtp::Ended{Stage::kHandshake, {0, {}, std::string(reason)}, false};
}

void Connection::lost(std::string_view reason) {
  if (!session_started_) return handshake_failed(reason);
  if (!ended_) session_.connection_lost(reason, now());
}

void Connection::on_end() {
  lost("the peer closed the connection");
  drain();
}

void Connection::on_failure(const Error& error) {
  if (!connected_) {
    connect_failed(error.text());
    return settle();
  }
  lost(error.text());
  drain();
}

void Connection::on_drained() {
  pump();
  drain();
}

void Connection::on_timer() {
  const TimePoint time = now();
  if (time >= own_deadline_) {
    if (!connected_) {
      connect_failed("timed out");
      return settle();
    }
    if (idle_) return owner_.on_idle_timeout();
    if (!session_started_) handshake_failed("timed out in the TLS handshake");
  }
  if (connected_ && time >= session_.deadline()) session_.tick(time);
  drain();
}

void Connection::drain() {
  drain_actions();
  settle();
}

void Connection::drain_actions() {
  draining_ = true;
  while (!ended_ && session_started_) {
    auto action = session_.next();
    if (!action) break;
    std::visit([this](auto& what) { carry_out(what); }, *action);
  }
  draining_ = false;
}

void Connection::carry_out(smtp::SendChunks& action) {
  for (Chunk& chunk : action.chunks) outgoing_.push_back(std::move(chunk));
  ++sending_;
  pump();
}

void Connection::carry_out(const smtp::StartTls&) {
  start_tls();
}

void Connection::start_tls() {
  // An address literal stands in brackets as a host; a certificate names the bare address.
  const Target& target = options_.target;
  const std::string name = target.host.starts_with('[') ? target.ip.to_string() : target.host;
  tls_ = std::make_shared<tls::Engine>(
      tls::Engine::client(options_.hop->context, name, options_.resume));
  std::string nothing;
  const tls::Engine::State state = tls_->receive({}, nothing);
  flush_tls();
  if (state == tls::Engine::State::kFailed) {
    shared_.meters.tls_failed.add();
    handshake_failed(tls_->error());
  }
}

void Connection::carry_out(const smtp::AskScram& action) {
  const smtp::ClientLogin& login = *options_.hop->login;
  if (action.first) {
    scram_.emplace(login.user);
    return session_.scram_message(scram_->first(), now());
  }
  if (scram_->has_proved()) {
    const auto right = scram_->verify(action.message);
    if (right) return session_.scram_message("", now());
    return session_.scram_failed(right.error().text(), now());
  }
  auto salt = scram_->challenged(action.message);
  if (!salt) return session_.scram_failed(salt.error().text(), now());
  shared_.login_keys.derive(login.password, *std::move(salt), loop_,
                            [this, alive = alive_](const std::optional<auth::ScramKeys>& keys) {
                              if (*alive) prove(keys);
                            });
}

void Connection::prove(const std::optional<auth::ScramKeys>& keys) {
  if (ended_) return;
  if (keys) {
    session_.scram_message(scram_->prove(*keys), now());
  } else {
    session_.scram_failed("too many logins wait for their keys", now());
  }
  drain();
}

void Connection::carry_out(const smtp::AskText&) {
  owner_.on_text_wanted();
}

void Connection::carry_out(const smtp::Ready&) {
  idle_ = true;
  own_deadline_ = now() + shared_.options.idle_timeout;
  owner_.on_ready();
}

void Connection::carry_out(smtp::TransactionDone& action) {
  owner_.on_transaction_done(std::move(action));
}

void Connection::carry_out(smtp::Ended& action) {
  ended_ = std::move(action);
}

void Connection::pump() {
  if (!tls_) {
    if (!outgoing_.empty()) {
      std::vector<Chunk> chunks(std::make_move_iterator(outgoing_.begin()),
                                std::make_move_iterator(outgoing_.end()));
      outgoing_.clear();
      stream_->write(std::move(chunks));
    }
  } else {
    while (!outgoing_.empty() && stream_->unsent() < kUnsentMax) {
      // Small chunks (commands, stuffing dots) share a record with their neighbours.
      encrypt_some();
      flush_tls();
    }
  }
  note_sent();
}

// Told once for each SendChunks, and before what the peer says to it.
void Connection::note_sent() {
  if (sending_ == 0 || !outgoing_.empty() || stream_->unsent() > 0) return;
  for (; sending_ > 0; --sending_) session_.sent(now());
}

void Connection::encrypt_some() {
  constexpr std::size_t kRecord = 16 * 1024;
  if (outgoing_.front().size() >= kRecord || outgoing_.size() == 1) {
    const std::string_view bytes = outgoing_.front().view();
    const std::size_t taken = std::min(bytes.size(), kUnsentMax / 2);
    encrypt(bytes.substr(0, taken));
    if (taken < bytes.size()) {
      outgoing_.front() = outgoing_.front().slice(taken);
    } else {
      outgoing_.pop_front();
    }
    return;
  }
  std::string record;
  record.reserve(kRecord);
  while (!outgoing_.empty() && record.size() + outgoing_.front().size() <= kRecord) {
    record += outgoing_.front().view();
    outgoing_.pop_front();
  }
  encrypt(record);
}

// A peer that has closed its direction can answer nothing: what it is told it might act on, and be
// told again by the next attempt.
void Connection::encrypt(std::string_view plain) {
  if (tls_->state() == tls::Engine::State::kOpen) tls_->send(plain);
}

void Connection::flush_tls() {
  std::string output = tls_->take_output();
  if (!output.empty()) stream_->write(std::move(output));
}

std::string Connection::tls_text() const {
  if (!tls_established_) return {};
  return tls_->facts().version + " " + tls_->facts().cipher;
}

std::string Connection::source_text() const {
  if (!connected_ || !options_.target.path.empty()) return {};
  return stream_->local().ip.to_string();
}

std::optional<tls::Session> Connection::take_session() {
  if (!tls_established_) return std::nullopt;
  return tls_->take_session();
}

void Connection::settle() {
  if (ended_) {
    timer_.disarm();
    if (stream_ && connected_) {
      if (tls_established_) {
        tls_->close();
        flush_tls();
      }
      stream_->finish();
    }
    return owner_.on_ended(*this, *ended_);
  }
  timer_.arm(std::min(own_deadline_, session_.deadline()));
}

}  // namespace postrider::delivery
