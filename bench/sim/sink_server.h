// SinkServer: the simulated MX hosts: listening sockets on many addresses, shared out to threads,
// each of which accepts and serves its own. Thread: one owner; start() and stop() once each.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/sim/greylist.h"
#include "bench/sim/message_log.h"
#include "bench/sim/rule_book.h"
#include "bench/sim/statistics.h"
#include "bench/tls_link.h"

namespace postrider::bench {

class SinkServer {
 public:
  struct Options {
    std::vector<IpAddress> addresses;
    std::uint16_t port = 0;  // 0: one that is free on all addresses
    std::uint64_t threads = 1;
    std::size_t size_max = std::size_t{64} * 1024 * 1024;
  };

  // What the server works with; all of it outlives the server.
  struct Parts {
    RuleBoard& rules;
    Statistics& statistics;
    MessageLog& log;
    Greylist& greylist;
    const TlsContext& tls;
  };

  // Binds all addresses. Nothing is accepted before start().
  static Result<std::unique_ptr<SinkServer>> create(const Options& options, const Parts& parts);
  // Stops.
  ~SinkServer();
  SinkServer(const SinkServer&) = delete;
  SinkServer& operator=(const SinkServer&) = delete;

  void start();
  // Ends the threads and closes every connection.
  void stop();

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  class Worker;

  SinkServer();

  std::uint16_t port_ = 0;
  std::atomic<std::uint64_t> last_connection_{0};
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace postrider::bench
