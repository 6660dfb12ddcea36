// A big destination that goes and comes back; one that puts all mail off; one that gets more than
// it will take.
#include <algorithm>
#include <gtest/gtest.h>
#include <map>

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
    // What it takes is found out by trying, and not too often.
    const MailHost& host = world.host(site);
    EXPECT_LE(host.turned_away, host.taken / 5);
    EXPECT_LE(host.connections, host.taken / 4);
    EXPECT_LT(world.timeline.now() - began, hours(6));
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace postrider::sim
