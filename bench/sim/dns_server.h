// DnsServer: answers for the simulated domains over UDP and TCP on one address and port.
// Thread: loop-affine; the counters may be read by any thread.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "bench/sim/rule_book.h"
#include "relay/event/poll.h"
#include "relay/event/tcp.h"

namespace postrider::event {
class Loop;
}

namespace postrider::bench {

class DnsServer {
 public:
  // Connections at a time; further ones are closed at once.
  static constexpr std::size_t kMaxConnections = 256;

  // Port 0: one that is free for both UDP and TCP. `loop` and `board` must outlive the server.
  static Result<std::unique_ptr<DnsServer>> create(event::Loop& loop, const Endpoint& endpoint,
                                                   RuleBoard& board);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

  [[nodiscard]] std::uint64_t udp_queries() const { return udp_queries_; }

  [[nodiscard]] std::uint64_t tcp_queries() const { return tcp_queries_; }

 private:
  class Connection;

  DnsServer(event::Loop& loop, RuleBoard& board);

  Result<void> bind_both(const Endpoint& endpoint);
  void read_datagrams();
  void accept(event::Descriptor descriptor);
  void drop(Connection* connection);
  std::optional<std::string> answer(std::string_view query, bool over_udp);

  event::Loop& loop_;
  RuleBoard::Reader rules_;
  Endpoint endpoint_;
  std::atomic<std::uint64_t> udp_queries_{0};
  std::atomic<std::uint64_t> tcp_queries_{0};
  event::Descriptor udp_;
  event::Descriptor tcp_;
  std::optional<event::Poll> poll_;  // after udp_: ends before it
  std::optional<event::Listener> listener_;
  std::list<std::unique_ptr<Connection>> connections_;
};

}  // namespace postrider::bench
