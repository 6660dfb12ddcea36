#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

#include "relay/base/check.h"

namespace postrider::sim {

namespace {

// The dead keep their memory: a kill runs no destructor. Reachable, so that it is no leak.
void bury(std::unique_ptr<Process> process) {
  static auto* const graveyard = new std::vector<std::unique_ptr<Process>>();
  graveyard->push_back(std::move(process));
}

// After the schema and the totals.
constexpr std::size_t kEntriesOfAnEmptyQueue = 2;

}  // namespace

World::World(std::uint64_t seed, ProcessOptions wanted)
    : timeline(seed), ledger(timeline), options(std::move(wanted)), random(seed + 1) {
  ledger.connections_max = options.delivery.window.connections_max;
  ledger.messages_per_connection_max = options.delivery.messages_per_connection_max;
  network_.set_observer(&ledger);
  timeline.set_observer([this] {
    if (process_) process_->observe();
  });
}

World::~World() {
  if (process_) process_->stop();
}

// --- the internet ---

IpAddress World::new_address() {
  return IpAddress::v4(next_address_++);
}

std::uint32_t World::add_site(const std::vector<std::string>& domains,
                              const std::vector<Manners>& manners) {
  const auto number = static_cast<std::uint32_t>(sites_.size());
  Site& site = sites_.emplace_back();
  ZoneEntry entry;
  for (const Manners& one : manners) {
    const std::string name = "mx" + std::to_string(site.hosts.size() + 1) + "." + domains.front();
    MailHost& host = hosts.emplace_back(name, random, ledger);
    host.manners = one;
    const IpAddress address = new_address();
    network_.listen(address, host);
    ledger.place(address, number);
    site.hosts.push_back(&host);
    site.addresses.push_back(address);
    const auto preference = static_cast<std::uint16_t>(10 * site.hosts.size());
    entry.route.hosts.push_back({name, preference, {address}, false});
    entry.route.site += (entry.route.site.empty() ? "" : ",") + name;
  }
  for (const std::string& domain : domains) zone_.domains[domain] = entry;
  return number;
}

void World::add_domain(const std::string& name, dns::RouteStatus status) {
  zone_.domains[name].status = status;
}

void World::add_private_domain(const std::string& name) {
  ZoneEntry& entry = zone_.domains[name];
  entry.route.site = "mx." + name;
  entry.route.hosts.push_back({"mx." + name, 10, {*IpAddress::parse("10.1.2.3")}, false});
}

MailHost& World::host(std::uint32_t site, std::size_t index) {
  return *sites_[site].hosts[index];
}

const IpAddress& World::address(std::uint32_t site, std::size_t index) const {
  return sites_[site].addresses[index];
}

// --- the relay ---

void World::start() {
  PR_CHECK(!process_);
  PR_CHECK(store_.reopen().has_value());
  process_ =
      std::make_unique<Process>(options, timeline, store_, zone_, ledger, random.u64() + ++lives_);
}

void World::shut_down(Duration patience) {
  process_->shut_down();
  const TimePoint end = timeline.now() + patience;
  while (!process_->quiet() && timeline.now() < end && clean()) run_for(Milliseconds(50));
  process_->stop();
  process_.reset();
}

void World::kill(bool power) {
  process_->die();
  network_.drop_all(power);
  if (power) store_.lose_power();
  ledger.crashed();
  bury(std::move(process_));
}

// --- mail ---

std::uint32_t World::submit(const Mail& mail) {
  const auto number = static_cast<std::uint32_t>(ledger.letters().size());
  const std::string sign = std::to_string(number);
  Letter letter;
  letter.size = mail.size;
  letter.submitted = timeline.now();
  letter.expires = timeline.wall() + options.delivery.retry.lifetime;
  letter.reported = mail.notify == 0 || (mail.notify & message::kNotifyFailure) != 0;
  queue::Submission submission;
  submission.id = process_->queue().next_id();
  submission.expires = letter.expires;
  submission.envelope.tenant = mail.tenant;
  submission.envelope.campaign = mail.campaign;
  submission.band = mail.band;
  if (!mail.from.empty()) {
    letter.sender = "s." + sign + "@" + mail.from;
    submission.envelope.sender = {"s." + sign, mail.from};
  }
  for (std::size_t i = 0; i < mail.to.size(); ++i) {
    const std::string local = "r" + std::to_string(i) + "." + sign;
    Addressee& to = letter.to.emplace_back();
    to.address = local + "@" + mail.to[i];
    const auto entry = zone_.domains.find(mail.to[i]);
    to.may_bounce = entry == zone_.domains.end() || entry->second.leads_nowhere();
    submission.recipients.push_back({{local, mail.to[i]}, mail.notify, ""});
  }
  ledger.add(std::move(letter));
  submission.body = message::Body(ledger.text_of(number));
  process_->queue().submit(std::move(submission), [this, number](queue::Refusal refusal) {
    refusal == queue::Refusal::kNone ? ledger.acknowledged(number) : void(++refused);
  });
  process_->observe();  // it may not be inside of an event
  return number;
}

void World::look_at_wires() {
  for (const auto& [number, wire] : network_.wires()) {
    if (timeline.now() - wire->last_progress() > kStuckAfter) {
      ledger.violation("a connection to " + wire->address().to_string() + " is stuck");
    }
  }
}

void World::drain(Duration limit) {
  const TimePoint end = timeline.now() + limit;
  while (clean()) {
    const queue::Stats stats = process_->queue().stats();
    const bool empty = stats.messages == 0 && stats.commit_waiting == 0;
    if (empty && process_->quiet() && network_.wires().empty()) return;
    if (timeline.now() >= end) {
      return ledger.violation("work does not end: " + std::to_string(stats.messages) +
                              " messages, " + std::to_string(stats.leases) + " leases, " +
                              std::to_string(network_.wires().size()) + " connections");
    }
    run_for(std::chrono::minutes(1));
    look_at_wires();
  }
}

void World::check_over() {
  if (timeline.spins()) ledger.violation("something spins");
  ledger.check_all_ended();
  const queue::Stats stats = process_->queue().stats();
  if (stats.leases != 0) ledger.violation("leases are left: " + std::to_string(stats.leases));
  if (stats.lease_bytes != 0) ledger.violation("bodies are left in memory");
  shut_down();
  if (store_.size() != kEntriesOfAnEmptyQueue) {
    ledger.violation("the store keeps " + std::to_string(store_.size()) + " entries");
  }
}

}  // namespace postrider::sim
