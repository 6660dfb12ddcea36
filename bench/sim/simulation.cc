#include "bench/sim/simulation.h"

#include <utility>

#include "relay/base/ascii.h"

namespace postrider::bench {

Simulation::~Simulation() = default;

Result<std::unique_ptr<Simulation>> Simulation::start(event::Loop& loop, Options options) {
  auto book = RuleBook::build(std::move(options.rules));
  if (!book) return failure(book.error());
  SinkServer::Options sink_options{book->addresses(), options.mx_port, options.threads,
                                   options.size_max};
  std::unique_ptr<Simulation> simulation(new Simulation(*std::move(book)));
  Simulation& self = *simulation;

  auto authority = CertificateAuthority::create();
  if (!authority) return failure(authority.error());
  self.authority_ = *std::move(authority);
  auto tls = TlsContext::server(*self.authority_);
  if (!tls) return failure(tls.error());
  self.tls_ = std::make_unique<TlsContext>(*std::move(tls));
  auto log = MessageLog::open(options.log, self.statistics_);
  if (!log) return failure(log.error());
  self.log_ = *std::move(log);

  auto dns = DnsServer::create(loop, options.dns, self.rules_);
  if (!dns) return failure(dns.error().within("DNS server"));
  self.dns_ = *std::move(dns);
  auto sinks = SinkServer::create(
      sink_options, {self.rules_, self.statistics_, *self.log_, self.greylist_, *self.tls_});
  if (!sinks) return failure(sinks.error().within("MX hosts"));
  self.sinks_ = *std::move(sinks);
  self.sinks_->start();
  return simulation;
}

std::string Simulation::stats_json() {
  return statistics_.json(dns_->udp_queries(), dns_->tcp_queries());
}

std::string Simulation::control(std::string_view line) {
  std::vector<std::string_view> words;
  for (const std::string_view word : ascii::split(ascii::trim(line), ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  const std::string_view command = words.empty() ? "" : words.front();
  if (command == "stats" && words.size() == 1) return stats_json();
  if (command == "reset" && words.size() == 1) {
    rules_.reset();
    greylist_.clear();
    statistics_.reset();
    return "ok";
  }
  if (command == "set" && words.size() >= 3) {
    const std::string_view name = words[1];
    words.erase(words.begin(), words.begin() + 2);
    const auto set = rules_.set(name, words);
    return set ? "ok" : "error " + set.error().text();
  }
  if (command == "help") return "commands: stats | set NAME key=value ... | reset | help";
  return "error unknown command; commands: stats | set NAME key=value ... | reset | help";
}

}  // namespace postrider::bench
