// Simulation: the whole simulated internet: DNS, MX hosts, and what can be asked of it while it
// runs. Thread: one owner, on the thread that runs the loop given to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/sim/dns_server.h"
#include "bench/sim/greylist.h"
#include "bench/sim/message_log.h"
#include "bench/sim/rule_book.h"
#include "bench/sim/sink_server.h"
#include "bench/sim/statistics.h"

namespace postrider::bench {

class Simulation {
 public:
  struct Options {
    Endpoint dns{IpAddress::v4(0x7F000001), 0};
    std::uint16_t mx_port = 0;
    std::uint64_t threads = 1;
    std::uint64_t size_max = std::uint64_t{64} * 1024 * 1024;
    std::vector<RuleLine> rules;
    MessageLog::Options log;
  };

  // Binds everything and starts the MX hosts. DNS is served by `loop`, which must outlive the
  // simulation.
  static Result<std::unique_ptr<Simulation>> start(event::Loop& loop, Options options);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  [[nodiscard]] const Endpoint& dns() const { return dns_->endpoint(); }

  [[nodiscard]] std::uint16_t mx_port() const { return sinks_->port(); }

  // The certificate authority of the MX hosts, in PEM.
  [[nodiscard]] Result<std::string> ca_pem() const { return authority_->pem(); }

  // One JSON object.
  [[nodiscard]] std::string stats_json();

  Statistics& statistics() { return statistics_; }

  // One line of the control protocol: "stats", "set NAME key=value ...", "reset", "help". The
  // answer is one line, without its end: JSON, "ok", or "error REASON".
  std::string control(std::string_view line);

 private:
  explicit Simulation(RuleBook book) : rules_(std::move(book)) {}

  Statistics statistics_;
  Greylist greylist_;
  RuleBoard rules_;
  std::unique_ptr<CertificateAuthority> authority_;
  std::unique_ptr<TlsContext> tls_;
  std::unique_ptr<MessageLog> log_;
  std::unique_ptr<DnsServer> dns_;
  std::unique_ptr<SinkServer> sinks_;  // last: its threads use all the others
};

}  // namespace postrider::bench
