#include "bench/sim/sink_connection.h"

#include <sys/socket.h>
#include <utility>

#include "relay/event/loop.h"

namespace postrider::bench {

namespace {

using After = SinkOutput::After;

constexpr Milliseconds kFloodInterval{10};
constexpr std::size_t kFloodBytes = std::size_t{16} * 1024;
constexpr std::size_t kFloodUnsent = std::size_t{64} * 1024;

}  // namespace

SinkConnection::SinkConnection(event::Loop& loop, SinkWorld& world, const TlsContext& tls,
                               const Place& place, UniqueFunction<void()> on_over)
    : loop_(loop),
      world_(world),
      tls_(tls),
      place_(place),
      on_over_(std::move(on_over)),
      session_(world, place.address, place.number) {
  world_.statistics.connections.fetch_add(1, std::memory_order_relaxed);
  world_.statistics.open_connections.fetch_add(1, std::memory_order_relaxed);
}

SinkConnection::~SinkConnection() {
  world_.statistics.open_connections.fetch_sub(1, std::memory_order_relaxed);
}

void SinkConnection::open(event::Descriptor descriptor) {
  socket_ = descriptor.get();
  auto stream = event::Stream::adopt(loop_, std::move(descriptor), *this);
  if (!stream) {
    over();
    return;
  }
  stream_.emplace(*std::move(stream));
  session_.begin(place_.open_here);
  pump();
}

void SinkConnection::on_data(std::string_view bytes) {
  switch (mode_) {
    case Mode::kPlain:
      session_.receive(bytes, Monotonic::now());
      pump();
      break;
    case Mode::kTls:
      on_tls_data(bytes);
      break;
    case Mode::kBrokenTls:
      // An alert of a type that does not exist, and noise.
      stream_->write(std::string("\x15\x03\x01\x7F\xFFgarbage instead of TLS"));
      close_soon();
      break;
    case Mode::kDeaf:
      break;
  }
}

void SinkConnection::on_tls_data(std::string_view bytes) {
  const bool shaking = link_->state() == TlsLink::State::kHandshake;
  plain_.clear();
  link_->receive(bytes, plain_);
  stream_->write(link_->take_output());
  if (shaking && link_->state() != TlsLink::State::kHandshake) {
    auto& statistics = world_.statistics;
    if (link_->state() == TlsLink::State::kFailed) {
      statistics.handshakes_failed.fetch_add(1, std::memory_order_relaxed);
    } else {
      TlsFacts facts = link_->facts();
      auto& kind = facts.resumed ? statistics.handshakes_resumed : statistics.handshakes_full;
      kind.fetch_add(1, std::memory_order_relaxed);
      session_.tls_established(std::move(facts));
    }
  }
  if (!plain_.empty()) {
    session_.receive(plain_, Monotonic::now());
    pump();
  }
  const bool usable =
      link_->state() == TlsLink::State::kOpen || link_->state() == TlsLink::State::kHandshake;
  if (!usable && mode_ == Mode::kTls) close_soon();
}

void SinkConnection::on_end() {
  // Replies that wait for their time are still due to a peer that has only stopped talking; but a
  // silence or a flood has nobody left to bother.
  if (mode_ == Mode::kDeaf || (pending_.empty() && stream_->unsent() == 0)) {
    over();
  } else if (pending_.empty()) {
    close_soon();
  } else {
    pending_.back().output.after = After::kClose;
  }
}

void SinkConnection::on_failure(const Error&) {
  over();
}

// Takes what the session has to say, and sends what is due.
void SinkConnection::pump() {
  while (auto output = session_.next()) {
    // The common case: nothing waits, nothing is late.
    if (pending_.empty() && output->delay.count() == 0 && !output->drip) {
      if (!carry_out(*output)) return;
      continue;
    }
    const TimePoint due = Monotonic::now() + output->delay;
    pending_.push_back({*std::move(output), due});
  }
  run_pending();
}

void SinkConnection::run_pending() {
  while (!pending_.empty() && !over_) {
    Pending& front = pending_.front();
    const TimePoint at = Monotonic::now();
    if (front.due > at) {
      timer().arm(front.due);
      return;
    }
    if (front.output.drip && front.output.bytes.size() > 1) {
      send(front.output.bytes.substr(0, 1));
      front.output.bytes.erase(0, 1);
      front.due = at + kDripInterval;
      continue;
    }
    SinkOutput output = std::move(front.output);
    pending_.pop_front();
    if (!carry_out(output)) return;
  }
}

void SinkConnection::on_timer() {
  if (mode_ != Mode::kDeaf) {
    run_pending();
  } else if (!flood_.empty()) {
    flood();
  } else {
    over();  // the linger time is over
  }
}

void SinkConnection::send(std::string bytes) {
  if (link_ == nullptr) {
    stream_->write(std::move(bytes));
    return;
  }
  link_->write(bytes);
  stream_->write(link_->take_output());
}

bool SinkConnection::carry_out(SinkOutput& output) {
  switch (output.after) {
    case After::kNothing:
      send(std::move(output.bytes));
      return true;
    case After::kStartTls:
      send(std::move(output.bytes));
      start_tls();
      return true;
    case After::kBreakTls:
      send(std::move(output.bytes));
      mode_ = Mode::kBrokenTls;
      return true;
    case After::kClose:
      send(std::move(output.bytes));
      close_soon();
      return false;
    case After::kReset:
      reset();
      return false;
    case After::kHang:
      send(std::move(output.bytes));
      mode_ = Mode::kDeaf;
      return false;
    case After::kEndless:
      while (flood_.size() < kFloodBytes) flood_ += output.bytes;
      mode_ = Mode::kDeaf;
      flood();
      return false;
  }
  return true;
}

void SinkConnection::start_tls() {
  const auto site = world_.rules.current().at(place_.address);
  const auto kind = site.rule == nullptr ? CertificateKind::kGood : site.rule->certificate;
  auto link = TlsLink::accept(tls_, "mx1." + std::string(site.domain), kind);
  if (!link) {
    close_soon();
    return;
  }
  link_ = *std::move(link);
  if (site.rule != nullptr && !site.rule->tickets) link_->give_no_tickets();
  mode_ = Mode::kTls;
}

void SinkConnection::flood() {
  if (stream_->unsent() < kFloodUnsent) send(flood_);
  timer().arm(Monotonic::now() + kFloodInterval);
}

void SinkConnection::close_soon() {
  mode_ = Mode::kDeaf;
  flood_.clear();
  pending_.clear();
  if (link_ != nullptr) {
    link_->finish();
    stream_->write(link_->take_output());
  }
  stream_->finish();
  timer().arm(Monotonic::now() + kLinger);
}

// With nothing to wait for at its end, closing a socket breaks the connection off.
void SinkConnection::reset() {
  const linger none{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  over();
}

void SinkConnection::over() {
  if (over_) return;
  over_ = true;
  mode_ = Mode::kDeaf;
  on_over_();
}

event::Timer& SinkConnection::timer() {
  if (!timer_) timer_.emplace(loop_, [this] { on_timer(); });
  return *timer_;
}

}  // namespace postrider::bench
