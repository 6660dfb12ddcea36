// A big destination that goes and comes back; one that puts all mail off; one that gets more than
// it will take.
#include <algorithm>
#include <gtest/gtest.h>
#include <map>

#include "tests/sim/internet.h"
#include "tests/sim/quiet_log.h"
#include "tests/sim/seeds.h"
#include "tests/sim/world.h"

namespace postrider::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr std::size_t kDomains = 50;
constexpr std::size_t kLetters = 3000;

class Outages : public ::testing::Test {
 protected:
  std::uint32_t add_big_site(World& world, const std::vector<Manners>& hosts) {
    std::vector<std::string> domains;
    for (std::size_t i = 0; i < kDomains; ++i) domains.push_back(domain(i));
    world.add_site({"home.example"}, {Manners()});
    return world.add_site(domains, hosts);
  }

  static std::string domain(std::size_t i) {
    return "d" + std::to_string(i % kDomains) + ".big.example";
  }

  // `count` letters, evenly over `duration`.
  static void submit(World& world, std::size_t count, Duration duration) {
    for (std::size_t i = 0; i < count; ++i) {
      world.submit({.to = {domain(i)}, .from = "home.example"});
      world.run_for(duration / static_cast<Duration::rep>(count));
    }
  }

  static void expect_all_delivered(World& world) {
    EXPECT_EQ(world.ledger.ended("delivered"), world.ledger.letters().size());
    world.check_over();
  }

  QuietLog quiet_;
};

TEST_F(Outages, EndsWithoutAHerd) {
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    World world(seed);
    const TimePoint gone = Timeline::kStart + minutes(10);
    const TimePoint back = gone + hours(6);
    Manners manners;
    manners.outages = {{gone, back, seed % 2 == 0 ? Reach::kRefuses : Reach::kSilent}};
    const std::uint32_t site = add_big_site(world, {manners, manners});
    world.start();
    // From the recovery on: one connection, and one more for each message taken.
    std::uint64_t taken_before = 0;
    world.ledger.on_connection = [&](std::uint32_t which) {
      if (which != site || world.timeline.now() < back) return;
      const std::uint64_t taken =
          world.host(site, 0).taken + world.host(site, 1).taken - taken_before;
      EXPECT_LE(world.ledger.open(site), 1 + taken) << "connections right behind the outage";
    };
    submit(world, kLetters / 10, minutes(9));
    submit(world, kLetters, hours(6));
    taken_before = world.host(site, 0).taken + world.host(site, 1).taken;
    world.drain(hours(48));
    expect_all_delivered(world);
    // Probes at 30 s, 1, 2, 4, 8 and then 15 minutes, each shortened by up to a fifth; those that
    // were under way when it began.
    const auto probes = [&](std::size_t host) {
      const auto& attempts = world.ledger.attempts(world.address(site, host));
      return std::ranges::count_if(attempts, [&](TimePoint at) { return gone < at && at < back; });
    };
    EXPECT_LE(probes(0), 65);
    EXPECT_LE(probes(1), 65);
    if (HasFailure()) break;
  }
}

// Each probe meets the one message that came first; the others end with their lifetime all the
// same.
TEST_F(Outages, ThatDoNotEndHoldNoMailBeyondItsLifetime) {
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    ProcessOptions options;
    options.delivery.retry.lifetime = hours(24);
    World world(seed, options);
    Manners manners;
    manners.outages = {{Timeline::kStart, TimePoint::max(), Reach::kRefuses}};
    add_big_site(world, {manners});
    world.start();
    submit(world, kLetters, hours(6));
    world.drain(hours(25));
    world.check_over();
    EXPECT_EQ(world.ledger.ended("expired"), kLetters);
    if (HasFailure()) break;
  }
}

// One that takes a message a minute is given three thousand.
class Overload : public Outages {
 protected:
  static constexpr Milliseconds kLifetime = hours(6);

  void flood(World& world) {
    world.start();
    for (std::size_t i = 0; i < kLetters; ++i) {
      world.submit({.to = {"slow.example"}, .from = "home.example"});
      world.run_for(Duration(hours(1)) / static_cast<Duration::rep>(kLetters));
    }
    // What is under way then goes on, and what has just come has its last turn.
    world.drain(kLifetime + minutes(5));
    world.check_over();
    EXPECT_EQ(world.ledger.ended("delivered") + world.ledger.ended("expired"), kLetters);
  }
};

TEST_F(Overload, OfOurOwnRateEndsWithTheLifetime) {
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    ProcessOptions options;
    options.delivery.retry.lifetime = kLifetime;
    options.delivery.sites = {{"slow.example", "", {.message_rate = policy::Rate{1, minutes(1)}}}};
    World world(seed, options);
    world.add_site({"home.example"}, {good_manners()});
    world.add_site({"slow.example"}, {good_manners()});
    flood(world);
    // The rate is used up all the time.
    EXPECT_GT(world.ledger.ended("delivered"), 6U * 60U);
    if (HasFailure()) break;
  }
}

TEST_F(Overload, OfATarpitEndsWithTheLifetime) {
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    ProcessOptions options;
    options.delivery.retry.lifetime = kLifetime;
    options.delivery.sites = {{"slow.example", "", {.connections_max = 1}}};
    World world(seed, options);
    Manners tarpit;
    tarpit.pipelining = false;
    tarpit.think_from = tarpit.think_to = Seconds(15);
    world.add_site({"home.example"}, {good_manners()});
    world.add_site({"slow.example"}, {tarpit});
    flood(world);
    EXPECT_GT(world.ledger.ended("delivered"), 5U * 60U);
    if (HasFailure()) break;
  }
}

TEST_F(Outages, OfAllReplies451IsNoStorm) {
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    World world(seed);
    Manners manners;
    manners.defers = 1;
    const std::uint32_t site = add_big_site(world, {manners});
    MailHost& host = world.host(site);
    std::map<std::string, std::vector<TimePoint>> tries;
    std::map<std::int64_t, std::size_t> by_minute;
    host.on_recipient = [&](const std::string& who) {
      tries[who].push_back(world.timeline.now());
      ++by_minute[(world.timeline.now() - Timeline::kStart) / minutes(1)];
    };
    world.start();
    submit(world, kLetters, Seconds(50));  // all at once, as a campaign comes
    world.run_for(hours(12));
    host.manners.defers = 0;
    world.drain(hours(24));
    expect_all_delivered(world);
    // 5, 10, 20 ... 240 minutes, each 10 % more or less: seven tries in twelve hours, and the last.
    for (const auto& [who, times] : tries) {
      EXPECT_LE(times.size(), 9U) << who;
      for (std::size_t i = 0; i + 1 < times.size(); ++i) {
        const auto least = minutes(5) * (1U << std::min<std::size_t>(i, 5)) * 9 / 10;
        EXPECT_GE(times[i + 1] - times[i], least) << who << ", try " << i + 1;
      }
      if (HasFailure()) break;
    }
    // What failed in one minute is spread over more and more of them.
    for (const auto& [minute, count] : by_minute) {
      if (minute > 60) {
        EXPECT_LE(count, kLetters / 4) << "minute " << minute;
      }
    }
    if (HasFailure()) break;
  }
}

// A destination takes ten connections at a time and says so to nobody; each carries twenty
// messages.
struct HiddenCap {
  static constexpr unsigned kConnections = 10;

  static Manners manners() {
    Manners hot;
    hot.connections_max = kConnections;
    hot.think_from = hot.think_to = Milliseconds(800);
    return hot;
  }

  // `known`: the relay has been told.
  static ProcessOptions options(bool known) {
    ProcessOptions options;
    if (known) options.delivery.window.connections_max = kConnections;
    options.delivery.messages_per_connection_max = 20;
    return options;
  }
};

// What a host has seen since the last look.
struct Seen {
  explicit Seen(const MailHost& host)
      : taken(host.taken), connections(host.connections), refused(host.turned_away) {}

  [[nodiscard]] Seen since(const Seen& before) const {
    Seen part = *this;
    part.taken -= before.taken;
    part.connections -= before.connections;
    part.refused -= before.refused;
    return part;
  }

  std::uint64_t taken;
  std::uint64_t connections;
  std::uint64_t refused;
};

class HiddenCaps : public Outages {
 protected:
  // From the second minute on, for an hour with more mail than it will take.
  Seen an_hour(std::uint64_t seed, bool known) {
    World world(seed, HiddenCap::options(known));
    const std::uint32_t site = add_big_site(world, {HiddenCap::manners()});
    world.start();
    submit(world, kLetters * 4, Seconds(20));
    world.run_for(Seconds(40));
    const Seen before(world.host(site));
    world.run_for(hours(1));
    const Seen hour = Seen(world.host(site)).since(before);
    EXPECT_LT(world.host(site).taken, kLetters * 4) << "the mail has run out";
    EXPECT_TRUE(world.clean());
    return hour;
  }

  // In the next minute: at any one moment some may have gone, and others be on their way.
  static std::size_t most_open(World& world, const MailHost& host) {
    std::size_t most = 0;
    for (int i = 0; i < 60; ++i) {
      world.run_for(Seconds(1));
      most = std::max<std::size_t>(most, host.open);
    }
    return most;
  }
};

TEST_F(HiddenCaps, AreFoundOutAndKept) {
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    const Seen told = an_hour(seed, true);
    EXPECT_EQ(told.refused, 0U);
    const Seen found = an_hour(seed, false);
    std::printf("  %llu connections, %llu refused; %llu messages of %llu where the cap is known\n",
                static_cast<unsigned long long>(found.connections),
                static_cast<unsigned long long>(found.refused),
                static_cast<unsigned long long>(found.taken),
                static_cast<unsigned long long>(told.taken));
    EXPECT_LT(found.refused * 20, found.connections) << "5 %";
    EXPECT_GE(found.taken * 10, told.taken * 9);
    if (HasFailure()) break;
  }
}

// It takes more than it did, then less: the relay follows both.
TEST_F(HiddenCaps, ThatChangeAreFollowed) {
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    World world(seed, HiddenCap::options(false));
    const std::uint32_t site = add_big_site(world, {HiddenCap::manners()});
    MailHost& host = world.host(site);
    world.start();
    submit(world, kLetters * 4, Seconds(20));
    world.run_for(minutes(10));
    EXPECT_GE(most_open(world, host), HiddenCap::kConnections - 1);
    host.manners.connections_max = 18;
    world.run_for(minutes(20));
    EXPECT_GE(most_open(world, host), 13U) << "on its way there";
    host.manners.connections_max = 5;
    Seen before(host);
    world.run_for(minutes(15));
    EXPECT_LE(host.open, 5U);
    EXPECT_LE(Seen(host).since(before).refused, 30U) << "one for each that went, and a few tries";
    before = Seen(host);
    world.run_for(minutes(15));
    EXPECT_GE(most_open(world, host), 4U);
    EXPECT_LE(Seen(host).since(before).refused, 10U);
    EXPECT_LT(host.taken, kLetters * 4) << "the mail has run out";
    EXPECT_TRUE(world.clean());
    if (HasFailure()) break;
  }
}

TEST_F(Outages, OfPatienceAtAHotDestination) {
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    World world(seed);
    Manners hot;
    hot.connections_max = 10;  // fewer than the relay would like
    hot.think_from = hot.think_to = Milliseconds(100);
    const std::uint32_t site = add_big_site(world, {hot});
    world.start();
    submit(world, kLetters * 2, minutes(1));
    const TimePoint began = world.timeline.now();
    world.drain(hours(24));
    expect_all_delivered(world);
    const MailHost& host = world.host(site);
    // A burst at the beginning finds it out; then one a minute at most.
    EXPECT_LE(host.turned_away, 20U);
    EXPECT_LE(host.connections, host.taken / 50);
    EXPECT_LT(world.timeline.now() - began, minutes(15));
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace postrider::sim
