// Network: who listens at which address, and the connections between the relay and them: pipes of
// bytes in memory with a latency. The relay's ends are the Streams of virtual_event.cc.
// Thread: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "relay/base/ip.h"
#include "relay/base/result.h"
#include "tests/sim/timeline.h"

namespace postrider::sim {

// What an address does with an attempt to connect.
enum class Reach : std::uint8_t { kAccepts, kRefuses, kSilent, kUnreachable };

class Wire;

// The far end of one connection.
class FarEnd {
 public:
  virtual ~FarEnd() = default;
  virtual void on_open() = 0;
  virtual void on_data(std::string_view bytes) = 0;
  // The relay will say no more; it may have gone.
  virtual void on_end() = 0;
};

// Who listens.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual Reach reach() = 0;
  // One way.
  virtual Duration latency() = 0;
  // `wire` outlives the far end.
  virtual std::unique_ptr<FarEnd> accept(Wire& wire) = 0;
};

// The relay's end.
class NearEnd {
 public:
  virtual ~NearEnd() = default;
  virtual void on_connected() = 0;
  virtual void on_data(std::string_view bytes) = 0;
  virtual void on_end() = 0;
  virtual void on_failure(const Error& error) = 0;
  // The kernel has room again.
  virtual void on_room() = 0;
};

class Wire final : public std::enable_shared_from_this<Wire> {
 public:
  // What the kernels of both sides hold of what was written and not read.
  static constexpr std::size_t kBufferMax = std::size_t{64} * 1024;
  // When the far side gives up a relay that lost its power.
  static constexpr Duration kForgottenAfter = std::chrono::minutes(5);

  Wire(const IpAddress& address, Listener& listener, NearEnd& near, std::uint64_t number);

  // --- the relay's side ---
  void connect();
  // How many of `bytes` it takes.
  std::size_t write(std::string_view bytes);
  void finish();
  // The relay has closed; what it wrote still arrives. Silent: nobody is told (power loss), and the
  // far side finds out by itself.
  void drop(bool silent = false);

  // --- the far side ---
  // After `delay`, and behind everything sent before. `told` runs when the relay has it.
  void send(std::string bytes, Duration delay = {}, Task told = {});
  // Behind everything sent before: an orderly end, or a reset.
  void close();
  void reset();

  // What comes in stays in the kernel from now on.
  void stop_reading() { reading_ = false; }

  [[nodiscard]] const IpAddress& address() const { return address_; }

  [[nodiscard]] std::uint64_t number() const { return number_; }

  [[nodiscard]] bool established() const { return established_; }

  [[nodiscard]] TimePoint last_progress() const { return progress_; }

  // The far end may free what it has; nothing more comes in or goes out.
  [[nodiscard]] bool is_closed() const { return far_closed_; }

 private:
  // Runs `task` at the other side after the latency, never overtaking what went before.
  template <class Do>
  void to_far(Do act);
  template <class Do>
  void to_near(Duration delay, Do act);
  void accepted();
  void arrive(std::string bytes);

  IpAddress address_;
  Listener& listener_;
  NearEnd* near_;  // null: the relay has closed
  std::uint64_t number_;
  std::unique_ptr<FarEnd> far_;
  Duration latency_{};
  TimePoint to_far_{};  // when the last that is under way arrives
  TimePoint to_near_{};
  TimePoint last_sent_{};  // by the far end, delays included
  TimePoint progress_{};
  std::size_t in_kernel_ = 0;
  bool established_ = false;
  bool reading_ = true;
  bool far_closed_ = false;
};

class Network {
 public:
  Network();
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  static Network& current();

  void listen(const IpAddress& address, Listener& listener) { listeners_[address] = &listener; }

  // Told of every attempt and of every change; the ledger.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void on_attempt(const IpAddress& address, bool known) = 0;
    virtual void on_established(const Wire& wire) = 0;
    virtual void on_gone(const Wire& wire) = 0;
  };

  void set_observer(Observer* observer) { observer_ = observer; }

  [[nodiscard]] Observer* observer() { return observer_; }

  // For Stream::connect. An immediate failure is returned.
  Result<std::shared_ptr<Wire>> connect(const IpAddress& address, NearEnd& near);
  void gone(const Wire& wire);

  // The relay's ends that are open, attempts included.
  [[nodiscard]] const std::map<std::uint64_t, Wire*>& wires() const { return wires_; }

  // The relay is dead: its kernel closes what it had, or with `silent` nobody does.
  void drop_all(bool silent);

 private:
  std::map<IpAddress, Listener*> listeners_;
  std::map<std::uint64_t, Wire*> wires_;
  std::uint64_t next_number_ = 1;
  Observer* observer_ = nullptr;
};

}  // namespace postrider::sim
