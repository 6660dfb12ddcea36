#include "tests/sim/network.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "relay/base/check.h"

namespace postrider::sim {

namespace {

Network* standing = nullptr;

}  // namespace

Wire::Wire(const IpAddress& address, Listener& listener, NearEnd& near, std::uint64_t number)
    : address_(address), listener_(listener), near_(&near), number_(number) {
  progress_ = Timeline::current().now();
}

template <class Do>
void Wire::to_far(Do act) {
  Timeline& timeline = Timeline::current();
  to_far_ = std::max(to_far_, timeline.now() + latency_);
  timeline.at(to_far_, [self = shared_from_this(), act = std::move(act)]() mutable {
    self->progress_ = Timeline::current().now();
    act();
  });
}

template <class Do>
void Wire::to_near(Duration delay, Do act) {
  Timeline& timeline = Timeline::current();
  last_sent_ = std::max(last_sent_, timeline.now()) + delay;
  to_near_ = std::max(to_near_, last_sent_ + latency_);
  timeline.at(to_near_, [self = shared_from_this(), act = std::move(act)]() mutable {
    self->progress_ = Timeline::current().now();
    act();
  });
}

void Wire::connect() {
  latency_ = listener_.latency();
  const Reach reach = listener_.reach();
  if (reach == Reach::kSilent) return;
  if (reach == Reach::kRefuses) {
    to_near(latency_, [this] {
      if (near_ != nullptr) near_->on_failure(Error::from_errno("connecting", ECONNREFUSED));
    });
    return;
  }
  to_near(latency_, [this] {
    if (near_ != nullptr) accepted();
  });
}

void Wire::accepted() {
  established_ = true;
  far_ = listener_.accept(*this);
  if (Network::current().observer() != nullptr)
    Network::current().observer()->on_established(*this);
  to_far([this] {
    if (!far_closed_) far_->on_open();
  });
  near_->on_connected();
}

std::size_t Wire::write(std::string_view bytes) {
  const std::size_t taken = std::min(bytes.size(), kBufferMax - in_kernel_);
  if (taken == 0) return 0;
  in_kernel_ += taken;
  to_far([this, text = std::string(bytes.substr(0, taken))]() mutable { arrive(std::move(text)); });
  return taken;
}

void Wire::arrive(std::string bytes) {
  if (far_closed_) {
    // Nobody is there any more: the answer is a reset.
    to_near({}, [this] {
      if (near_ != nullptr) near_->on_failure(Error::from_errno("writing", ECONNRESET));
    });
    return;
  }
  if (!reading_) return;
  in_kernel_ -= bytes.size();
  far_->on_data(bytes);
  to_near({}, [this] {
    if (near_ != nullptr) near_->on_room();
  });
}

void Wire::finish() {
  to_far([this] {
    if (!far_closed_ && reading_ && far_) far_->on_end();
  });
}

void Wire::drop(bool silent) {
  if (near_ == nullptr) return;
  near_ = nullptr;
  Network::current().gone(*this);
  if (!established_) return;
  if (!silent) return finish();
  Timeline::current().after(kForgottenAfter, [self = shared_from_this()] {
    if (!self->far_closed_) self->far_->on_end();
  });
}

void Wire::send(std::string bytes, Duration delay, Task told) {
  if (far_closed_) return;
  to_near(delay, [this, bytes = std::move(bytes), told = std::move(told)]() mutable {
    if (near_ == nullptr) return;
    if (told) told();
    near_->on_data(bytes);
  });
}

void Wire::close() {
  if (std::exchange(far_closed_, true)) return;
  to_near({}, [this] {
    if (near_ != nullptr) near_->on_end();
  });
}

void Wire::reset() {
  if (std::exchange(far_closed_, true)) return;
  to_near({}, [this] {
    if (near_ != nullptr) near_->on_failure(Error::from_errno("reading", ECONNRESET));
  });
}

Network::Network() {
  PR_CHECK(standing == nullptr, "one network at a time");
  standing = this;
}

Network::~Network() {
  standing = nullptr;
}

Network& Network::current() {
  PR_CHECK(standing != nullptr, "there is no network");
  return *standing;
}

Result<std::shared_ptr<Wire>> Network::connect(const IpAddress& address, NearEnd& near) {
  const auto found = listeners_.find(address);
  if (observer_ != nullptr) observer_->on_attempt(address, found != listeners_.end());
  if (found == listeners_.end() || found->second->reach() == Reach::kUnreachable) {
    return failure(Error::from_errno("connecting to " + address.to_string(), ENETUNREACH));
  }
  auto wire = std::make_shared<Wire>(address, *found->second, near, next_number_++);
  wires_[wire->number()] = wire.get();
  wire->connect();
  return wire;
}

void Network::gone(const Wire& wire) {
  wires_.erase(wire.number());
  if (observer_ != nullptr) observer_->on_gone(wire);
}

void Network::drop_all(bool silent) {
  while (!wires_.empty()) wires_.begin()->second->drop(silent);
}

}  // namespace postrider::sim
