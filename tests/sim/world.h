// World: the relay in a simulated internet: virtual time, mail hosts, DNS, a store in memory, and a
// ledger that watches. A small language for the scenarios. Thread: one.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/memory_store.h"
#include "tests/sim/ledger.h"
#include "tests/sim/mail_host.h"
#include "tests/sim/network.h"
#include "tests/sim/process.h"
#include "tests/sim/timeline.h"
#include "tests/sim/zone.h"

namespace postrider::sim {

struct Mail {
  std::vector<std::string> to;  // domains; one recipient each
  std::string from;             // domain of the sender; "": the null sender
  std::size_t size = 600;
  std::string tenant;
  std::string campaign;
  std::uint8_t notify = 0;
  queue::Band band = queue::Band::kNormal;
};

class World {
 public:
  explicit World(std::uint64_t seed, ProcessOptions wanted = {});
  // Ends the process, if one lives.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // --- the internet ---
  // One host, with one address, for each of `hosts`; the first is preferred.
  std::uint32_t add_site(const std::vector<std::string>& domains,
                         const std::vector<Manners>& hosts);
  // A domain that leads nowhere.
  void add_domain(const std::string& name, dns::RouteStatus status);
  // A domain whose mail host has an address that may not be contacted.
  void add_private_domain(const std::string& name);

  ZoneEntry& zone(const std::string& domain) { return zone_.domains.at(domain); }

  // Host `index` of a site.
  MailHost& host(std::uint32_t site, std::size_t index = 0);
  [[nodiscard]] const IpAddress& address(std::uint32_t site, std::size_t index = 0) const;

  // --- the relay ---
  void start();
  // SIGTERM: up to `patience` for what is under way.
  void shut_down(Duration patience = Seconds(7));
  // kill -9; with `power` everything that was not synced is lost too.
  void kill(bool power);

  [[nodiscard]] bool runs() const { return process_ != nullptr; }

  Process& process() { return *process_; }

  // --- mail ---
  // Number of the letter.
  std::uint32_t submit(const Mail& mail);
  // Runs until the queue is empty and nothing is under way; a violation if that takes longer.
  void drain(Duration limit);

  void run_for(Duration duration) { timeline.run_for(duration); }

  // Nothing has gone wrong so far.
  [[nodiscard]] bool clean() const { return ledger.clean() && !timeline.spins(); }

  // Nothing is left anywhere, and every letter has ended as it should.
  void check_over();

  // Declared first, destroyed last: what is still under way knows them.
  std::deque<MailHost> hosts;
  Timeline timeline;
  Ledger ledger;
  ProcessOptions options;
  SeededRandom random;        // of the scenario and of the hosts
  std::uint64_t refused = 0;  // submissions

 private:
  struct Site {
    std::vector<MailHost*> hosts;
    std::vector<IpAddress> addresses;
  };

  // An attempt to move on that takes longer is none: the longest patience of a phase, and some.
  static constexpr Duration kStuckAfter = std::chrono::minutes(35);

  IpAddress new_address();
  void look_at_wires();

  Network network_;
  Zone zone_;
  queue::MemoryStore store_;
  std::vector<Site> sites_;
  std::unique_ptr<Process> process_;
  std::uint64_t lives_ = 0;
  std::uint32_t next_address_ = 0x14000001;  // 20.0.0.1, a public place
};

}  // namespace postrider::sim
