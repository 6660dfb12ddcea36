#include "tests/sim/internet.h"

#include <algorithm>
#include <cmath>

namespace postrider::sim {

namespace {

constexpr std::size_t kHomes = 5;
constexpr std::size_t kBurst = 100;
constexpr std::uint64_t kBurstEvery = 500;

constexpr Phase kPhases[] = {Phase::kGreeting,  Phase::kHello, Phase::kMail,
                             Phase::kRecipient, Phase::kData,  Phase::kText};
constexpr Fault kFaults[] = {Fault::kSilence, Fault::kClose,   Fault::kReset,
                             Fault::kGarbage, Fault::kEndless, Fault::kDrip,
                             Fault::kDeaf,    Fault::kGoing,   Fault::kLostReply};

void add_any_fault(Manners& manners, Random& random, double share) {
  manners.faults.push_back({kPhases[random.below(std::size(kPhases))],
                            kFaults[random.below(std::size(kFaults))], share * random.unit()});
}

void add_outages(Manners& manners, Random& random, TimePoint from, Duration days) {
  const Reach reach = chance(random, 0.5) ? Reach::kRefuses : Reach::kSilent;
  const TimePoint end = from + days;
  while (from < end) {
    from += between(random, std::chrono::minutes(5), std::chrono::hours(12));
    const TimePoint back = from + between(random, Seconds(10), std::chrono::hours(6));
    manners.outages.push_back({from, back, reach});
    from = back;
  }
}

}  // namespace

Manners good_manners() {
  return {};
}

Manners any_manners(Random& random, TimePoint from, Duration days) {
  Manners manners;
  manners.latency = between(random, Milliseconds(1), Milliseconds(100));
  manners.pipelining = chance(random, 0.9);
  const auto kind = random.below(100);
  if (kind < 45) {
    manners.think_to = Milliseconds(20);
  } else if (kind < 55) {
    manners.think_to = Seconds(5);
  } else if (kind < 60) {
    manners.greylisted = between(random, Seconds(30), std::chrono::minutes(20));
  } else if (kind < 65) {
    manners.connections_max = static_cast<unsigned>(1 + random.below(4));
  } else if (kind < 70) {
    manners.per_connection_max = static_cast<unsigned>(1 + random.below(5));
    manners.enough = static_cast<Enough>(random.below(3));
  } else if (kind < 74) {
    manners.per_minute_max = static_cast<unsigned>(1 + random.below(10));
  } else if (kind < 80) {
    for (int i = 0; i < 3; ++i) add_any_fault(manners, random, 0.5);
  } else if (kind < 84) {
    add_any_fault(manners, random, 1);
    manners.faults.back().share = 1;
  } else if (kind < 92) {
    add_outages(manners, random, from, days);
  } else if (kind < 94) {
    manners.outages.push_back({from, TimePoint::max(), Reach::kRefuses});
  } else if (kind < 95) {
    manners.outages.push_back({from, TimePoint::max(), Reach::kSilent});
  } else if (kind < 96) {
    manners.reachable = false;
  } else if (kind < 98) {
    manners.broken_tls = true;
  } else {
    manners.refuses = random.unit();
    manners.defers = random.unit();
    manners.defers_text = 0.2;
    manners.refuses_text = 0.2;
  }
  // And whatever may happen to anybody, seldom.
  if (chance(random, 0.3)) add_any_fault(manners, random, 0.02);
  if (chance(random, 0.3)) manners.refuses = std::max(manners.refuses, 0.01);
  return manners;
}

Internet::Internet(World& world, std::size_t sites, Duration days) : world_(world) {
  Random& random = world.random;
  const TimePoint now = world.timeline.now();
  for (std::size_t i = 0; i < kHomes; ++i) {
    homes_.push_back("home" + std::to_string(i) + ".example");
    world.add_site({homes_.back()}, {good_manners()});
  }
  for (std::size_t i = 0; i < sites; ++i) {
    std::vector<std::string> domains;
    const std::size_t count = chance(random, 0.1) ? 1 + random.below(10) : 1;
    for (std::size_t d = 0; d < count; ++d) {
      domains.push_back("d" + std::to_string(d) + ".site" + std::to_string(i) + ".example");
    }
    std::vector<Manners> hosts;
    const std::size_t host_count = 1 + random.below(3);
    for (std::size_t h = 0; h < host_count; ++h) hosts.push_back(any_manners(random, now, days));
    world.add_site(domains, hosts);
    for (const std::string& domain : domains) {
      if (chance(random, 0.05)) world.zone(domain).fails = random.unit();
      if (chance(random, 0.05)) world.zone(domain).answers_after = Seconds(10);
      domains_.push_back(domain);
    }
  }
  world.add_domain("null.example", dns::RouteStatus::kNullMx);
  world.add_domain("nohosts.example", dns::RouteStatus::kNoHosts);
  world.add_domain("broken.example", dns::RouteStatus::kTemporary);
  world.add_private_domain("private.example");
  for (const char* one : {"null.example", "nohosts.example", "broken.example", "private.example",
                          "unknown.example"}) {
    const std::size_t place = random.below(domains_.size());
    domains_.insert(domains_.begin() + static_cast<std::ptrdiff_t>(place), one);
  }
}

const std::string& Internet::any_domain() {
  // A few get much more than the others.
  const std::size_t first = world_.random.below(domains_.size());
  return domains_[std::min(first, static_cast<std::size_t>(world_.random.below(domains_.size())))];
}

Mail Internet::any_mail() {
  Random& random = world_.random;
  Mail mail;
  const std::size_t recipients = chance(random, 0.2) ? 1 + random.below(6) : 1;
  for (std::size_t i = 0; i < recipients; ++i) {
    mail.to.push_back(i > 0 && chance(random, 0.5) ? mail.to.back() : any_domain());
  }
  if (!chance(random, 0.1)) mail.from = homes_[random.below(homes_.size())];
  mail.size = chance(random, 0.01) ? 70'000 + random.below(200'000) : 100 + random.below(2000);
  mail.tenant = "t" + std::to_string(random.below(3));
  mail.campaign = chance(random, 0.5) ? "c" + std::to_string(random.below(10)) : "";
  if (chance(random, 0.05)) mail.notify = message::kNotifyNever;
  return mail;
}

void Internet::burst() {
  const std::string domain = any_domain();
  for (std::size_t i = 0; i < kBurst && left_ > 0; ++i, --left_) {
    Mail mail = any_mail();
    mail.to = {domain};
    mail.campaign = "burst";
    world_.submit(mail);
  }
}

void Internet::post_one() {
  if (left_ == 0) return;
  if (world_.runs()) {
    if (world_.random.below(kBurstEvery) == 0) {
      burst();
    } else {
      --left_;
      world_.submit(any_mail());
    }
  }
  // Poisson: as independent senders come.
  const double wait = -std::log(1.0 - world_.random.unit());
  world_.timeline.after(std::chrono::duration_cast<Duration>(pause_ * wait),
                        [this] { post_one(); });
}

void Internet::begin_traffic(std::size_t letters, Duration days) {
  left_ = letters;
  pause_ = days / letters;
  post_one();
}

}  // namespace postrider::sim
