// postrider-sim: a simulated internet for demonstrations, tests and benchmarks. See README.md.
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "bench/arguments.h"
#include "bench/descriptor_limit.h"
#include "bench/quantity.h"
#include "bench/sim/control_server.h"
#include "bench/sim/simulation.h"
#include "relay/event/loop.h"
#include "relay/event/signal.h"

namespace postrider::bench {

namespace {

struct Settings {
  Simulation::Options simulation;
  std::optional<Endpoint> control;
  std::string port_file;
  std::string ca_file;
  bool stats = false;
};

constexpr std::string_view kSummary =
    "A simulated internet on loopback addresses: a DNS server that answers for simulated\n"
    "domains, and MX hosts that take their mail, well-behaved or not. Prints one line\n"
    "'ready dns=ADDRESS mx-port=PORT control=ADDRESS' when everything is bound, and runs\n"
    "until SIGINT or SIGTERM. The rules for domains are described in bench/README.md.";

Result<void> set_endpoint(Endpoint& target, std::string_view value) {
  const auto endpoint = Endpoint::parse(value);
  if (!endpoint) return failure(endpoint.error());
  target = *endpoint;
  return {};
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return failure("cannot read " + path);
  return text.str();
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return failure("cannot write " + path);
  return {};
}

Result<void> add_rules(std::vector<RuleLine>& rules, const Result<std::vector<RuleLine>>& more) {
  if (!more) return failure(more.error());
  rules.insert(rules.end(), more->begin(), more->end());
  return {};
}

void declare_domains(Arguments& arguments, Settings& settings) {
  auto& rules = settings.simulation.rules;
  arguments.option("--domain", "RULE", "a rule 'NAME[,NAME...] key=value ...'; may be repeated",
                   [&rules](std::string_view value) -> Result<void> {
                     auto rule = parse_rule_line(value);
                     if (!rule) return failure(rule.error());
                     rules.push_back(*std::move(rule));
                     return {};
                   });
  arguments.option("--domains", "FILE", "a file of such rules, one a line; # starts a comment",
                   [&rules](std::string_view value) -> Result<void> {
                     const std::string path(value);
                     const auto text = read_file(path);
                     if (!text) return failure(text.error());
                     return add_rules(rules, parse_rule_text(*text, path));
                   });
}

void declare(Arguments& arguments, Settings& settings) {
  auto& simulation = settings.simulation;
  declare_domains(arguments, settings);
  arguments.option("--dns", "ADDR:PORT", "where DNS is answered, UDP and TCP (127.0.0.1:0)",
                   [&](std::string_view value) { return set_endpoint(simulation.dns, value); });
  arguments.option("--mx-port", "PORT",
                   "the port of all MX hosts (0: one that is free on all their addresses)",
                   [&](std::string_view value) -> Result<void> {
                     const auto port = parse_count(value);
                     if (!port) return failure(port.error());
                     if (*port > 65535) return failure("a port is at most 65535");
                     simulation.mx_port = static_cast<std::uint16_t>(*port);
                     return {};
                   });
  arguments.option("--control", "ADDR:PORT", "where stats, set and reset are taken (none)",
                   [&](std::string_view value) {
                     settings.control.emplace();
                     return set_endpoint(*settings.control, value);
                   });
  arguments.count("--threads", "N", "threads that serve MX hosts (1)", simulation.threads, 1);
  arguments.option("--size-max", "SIZE", "the largest message, offered as SIZE (64m)",
                   [&](std::string_view value) -> Result<void> {
                     const auto size = parse_size(value);
                     if (!size) return failure(size.error());
                     simulation.size_max = *size;
                     return {};
                   });
  arguments.text("--save", "DIR",
                 "write each message to DIR/N-RECIPIENT.eml, and a record to DIR/log.jsonl",
                 simulation.log.save_directory);
  arguments.text("--log", "FILE", "write a JSON record a message to FILE",
                 simulation.log.record_file);
  arguments.flag("--events", "write these records to standard output", simulation.log.events);
  arguments.text("--write-ca", "FILE", "write the CA certificate of the MX hosts (PEM)",
                 settings.ca_file);
  arguments.text("--port-file", "FILE", "write the ready line to FILE, too", settings.port_file);
  arguments.flag("--stats", "print counts on SIGUSR1 and at the end", settings.stats);
}

std::string ready_line(const Simulation& simulation, const ControlServer* control) {
  std::string line = "ready dns=" + simulation.dns().to_string() +
                     " mx-port=" + std::to_string(simulation.mx_port());
  if (control != nullptr) line += " control=" + control->endpoint().to_string();
  return line + "\n";
}

// The file appears whole, so that who waits for it never reads half a line.
Result<void> write_port_file(const std::string& path, const std::string& line) {
  const std::string fresh = path + ".new";
  if (auto written = write_file(fresh, line); !written) return written;
  if (std::rename(fresh.c_str(), path.c_str()) != 0) return failure("cannot write " + path);
  return {};
}

Result<void> run(Settings settings) {
  auto loop = event::Loop::create();
  if (!loop) return failure(loop.error());
  auto simulation = Simulation::start(**loop, std::move(settings.simulation));
  if (!simulation) return failure(simulation.error());
  std::unique_ptr<ControlServer> control;
  if (settings.control) {
    auto server = ControlServer::create(**loop, *settings.control, [&](std::string_view line) {
      return (*simulation)->control(line);
    });
    if (!server) return failure(server.error().within("control"));
    control = *std::move(server);
  }
  if (!settings.ca_file.empty()) {
    const auto pem = (*simulation)->ca_pem();
    if (!pem) return failure(pem.error());
    if (auto written = write_file(settings.ca_file, *pem); !written) return written;
  }
  const auto print_stats = [&] {
    if (settings.stats) std::cout << (*simulation)->stats_json() << std::endl;
  };
  std::vector<event::Signal> signals;
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) {
    auto signal = event::Signal::create(
        **loop, number, [&, number] { number == SIGUSR1 ? print_stats() : (*loop)->stop(); });
    if (!signal) return failure(signal.error());
    signals.push_back(*std::move(signal));
  }
  const std::string line = ready_line(**simulation, control.get());
  if (!settings.port_file.empty()) {
    if (auto written = write_port_file(settings.port_file, line); !written) return written;
  }
  std::cout << line << std::flush;
  (*loop)->run();
  print_stats();
  return {};
}

int sim_main(const std::vector<std::string>& words) {
  Settings settings;
  Arguments arguments("postrider-sim --domain RULE ... [options]", std::string(kSummary));
  declare(arguments, settings);
  const auto parsed = arguments.parse(words);
  if (!parsed) {
    std::cerr << "postrider-sim: " << parsed.error().text() << " (--help lists the options)\n";
    return Arguments::kExitUsage;
  }
  if (!*parsed) {
    std::cout << arguments.help();
    return Arguments::kExitOk;
  }
  // A reader of standard output that has gone is an error of that write, not the end.
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  const auto ran = run(std::move(settings));
  if (ran) return Arguments::kExitOk;
  std::cerr << "postrider-sim: " << ran.error().text() << "\n";
  return Arguments::kExitFailed;
}

}  // namespace

}  // namespace postrider::bench

int main(int argc, char** argv) {
  return postrider::bench::sim_main(std::vector<std::string>(argv + 1, argv + argc));
}
