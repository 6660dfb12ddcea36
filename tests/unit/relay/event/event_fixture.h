// What the tests of relay/event share: a loop that is turned until something holds, a recorder of
// stream events, and connected sockets on the loopback interface.
#pragma once

#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "relay/event/loop.h"
#include "relay/event/tcp.h"

namespace postrider::event {

inline Endpoint any_port(std::string_view ip = "127.0.0.1") {
  return Endpoint{*IpAddress::parse(ip), 0};
}

// A connected blocking socket; invalid if connecting failed.
inline Descriptor raw_connect(const Endpoint& to) {
  Descriptor socket(::socket(to.ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const unsigned length = to.to_sockaddr(storage);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) return {};
  return socket;
}

// Two ends of one connection.
inline std::pair<Descriptor, Descriptor> connected_pair() {
  const Descriptor listening = *listen_on(any_port());
  Descriptor one = raw_connect(*local_endpoint(listening.get()));
  // The handshake is over, so the connection waits to be accepted.
  Descriptor other(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(one.valid() && other.valid());
  return {std::move(one), std::move(other)};
}

// Closing it now sends a reset, whatever is in its buffers.
inline void close_with_reset(Descriptor socket) {
  const linger hard{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

// No descriptor can be opened while one of these lives. UBSan looks through a pipe at the first
// object of each class with virtual functions: let it meet them before, and expect nothing
// meanwhile.
class Exhaustion {
 public:
  Exhaustion() {
    const Error met = Error("met").within("before");
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &saved_), 0);
    lowest_free_ = ::dup(STDERR_FILENO);
    ::close(lowest_free_);
    const rlimit tight{static_cast<rlim_t>(lowest_free_), saved_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  }

  Exhaustion(const Exhaustion&) = delete;
  Exhaustion& operator=(const Exhaustion&) = delete;

  ~Exhaustion() { ::setrlimit(RLIMIT_NOFILE, &saved_); }

  [[nodiscard]] int limit() const { return lowest_free_; }

 private:
  rlimit saved_{};
  int lowest_free_ = -1;
};

class EventTest : public ::testing::Test {
 protected:
  EventTest() : loop_(*Loop::create()) {}

  // Turns the loop until `condition` holds; false if it does not within the bound.
  bool run_until(const std::function<bool()>& condition) {
    const TimePoint bound = std::chrono::steady_clock::now() + Seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > bound) return false;
      loop_->poll_once();
      std::this_thread::yield();
    }
    return true;
  }

  void turn(int times) {
    for (int i = 0; i < times; ++i) loop_->poll_once();
  }

  std::unique_ptr<Loop> loop_;
};

// Records what a stream tells; a hook, where set, runs afterwards and may destroy the stream.
class Recorder : public StreamEvents {
 public:
  void on_connected() override {
    connected = true;
    run(connected_hook);
  }

  void on_data(std::string_view bytes) override {
    data += bytes;
    run(data_hook);
  }

  void on_end() override {
    ended = true;
    run(end_hook);
  }

  void on_failure(const Error& error) override {
    ++failures;
    failure = error;
    run(failure_hook);
  }

  void on_drained() override {
    ++drained;
    run(drained_hook);
  }

  std::optional<Stream> stream;
  std::string data;
  bool connected = false;
  bool ended = false;
  int drained = 0;
  int failures = 0;
  std::optional<Error> failure;
  std::function<void()> connected_hook, data_hook, end_hook, failure_hook, drained_hook;

 private:
  static void run(const std::function<void()>& hook) {
    if (hook) hook();
  }
};

}  // namespace postrider::event
