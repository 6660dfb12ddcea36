// Who has to wait for whom: campaigns of one destination; and what an orderly stop leaves undone.
#include <algorithm>
#include <gtest/gtest.h>

#include "tests/sim/quiet_log.h"
#include "tests/sim/seeds.h"
#include "tests/sim/world.h"

namespace postrider::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class Order : public ::testing::Test {
 protected:
  QuietLog quiet_;
};

// Where reports go, and one.example, whose host takes its time for each reply; the number of that.
std::uint32_t add_sites(World& world, Milliseconds thinks_for) {
  Manners slow;
  slow.think_from = slow.think_to = thinks_for;
  world.add_site({"home.example"}, {Manners()});
  return world.add_site({"one.example"}, {slow});
}

// The starvation bound: a campaign that comes late waits for what the others have
// leased at most, and for a turn of each.
TEST_F(Order, OfCampaignsGivesEachItsTurn) {
  constexpr std::size_t kCampaigns = 8;
  constexpr std::size_t kEach = 500;
  constexpr std::size_t kLeasesEach = 50;
  constexpr std::size_t kTurn = 64;
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    ProcessOptions options;
    options.queue.leases_per_queue_max = kLeasesEach;
    options.queue.lease_bytes_max = 0;  // all bodies are read back: all stand in one line
    World world(seed, options);
    const std::uint32_t site = add_sites(world, Milliseconds(400));
    world.start();
    for (std::size_t i = 0; i < kCampaigns * kEach; ++i) {
      world.submit({.to = {"one.example"},
                    .from = "home.example",
                    .tenant = "t" + std::to_string(i % 2),
                    .campaign = "c" + std::to_string(i % kCampaigns)});
    }
    world.run_for(minutes(1));

    // Latecomers, now and then, each of a campaign of its own.
    struct Late {
      std::uint64_t before = 0;  // taken when it came
      std::optional<std::uint64_t> waited;
    };

    std::map<std::uint32_t, Late> late;
    world.ledger.on_delivered = [&](std::uint32_t letter, const Addressee&) {
      if (const auto found = late.find(letter); found != late.end()) {
        found->second.waited = world.host(site).taken - found->second.before;
      }
    };
    for (std::size_t i = 0; i < 10; ++i) {
      const std::uint32_t letter = world.submit(
          {.to = {"one.example"}, .from = "home.example", .campaign = "late" + std::to_string(i)});
      late[letter].before = world.host(site).taken;
      world.run_for(Seconds(5));
    }
    ASSERT_LT(world.host(site).taken, kCampaigns * kEach / 2) << "nothing to wait for";
    world.drain(hours(24));
    for (const auto& [letter, one] : late) {
      ASSERT_TRUE(one.waited.has_value());
      EXPECT_LE(*one.waited, kCampaigns * kLeasesEach + kTurn) << "letter " << letter;
    }
    world.check_over();
    if (HasFailure()) break;
  }
}

// What the first messages of a site with mail of all kinds are: by weight among tenants, however
// many campaigns one has, and by share among bands, the lowest included.
TEST_F(Order, OfTenantsIsByWeightAndOfBandsByShare) {
  constexpr std::size_t kEach = 600;
  constexpr std::size_t kLooked = 420;
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    ProcessOptions options;
    options.queue.lease_bytes_max = 0;  // all bodies are read back: all stand in one line
    options.delivery.tenant_weights = {"shop:3"};
    World world(seed, options);
    const std::uint32_t site = add_sites(world, Milliseconds(400));
    world.start();
    std::map<std::string, std::size_t> had;
    std::vector<std::string> kinds;  // by letter
    std::size_t looked = 0;
    // Those under way when the last comes are of whoever came first.
    const std::size_t skipped = 2 * options.delivery.window.connections_max;
    world.ledger.on_delivered = [&](std::uint32_t letter, const Addressee&) {
      if (++looked > skipped && looked <= skipped + kLooked) ++had[kinds[letter]];
    };
    const auto submit = [&](const std::string& tenant, queue::Band band, std::size_t campaign) {
      kinds.push_back(tenant + std::to_string(static_cast<int>(band)));
      world.submit({.to = {"one.example"},
                    .from = "home.example",
                    .tenant = tenant,
                    .campaign = "c" + std::to_string(campaign),
                    .band = band});
    };
    for (std::size_t i = 0; i < kEach; ++i) {
      submit("shop", queue::Band::kHigh, 0);
      submit("news", queue::Band::kHigh, i % 10);
      submit("news", queue::Band::kNormal, 0);
      submit("news", queue::Band::kLow, 0);
    }
    world.run_for(minutes(10));
    ASSERT_GE(world.host(site).taken, skipped + kLooked);
    // Of 420 turns 320, 80 and 20, as they become parallel within some connections' worth.
    constexpr double kAbout = 25;
    EXPECT_NEAR(static_cast<double>(had["shop2"]), 240, kAbout);
    EXPECT_NEAR(static_cast<double>(had["news2"]), 80, kAbout);
    EXPECT_NEAR(static_cast<double>(had["news1"]), 80, kAbout);
    EXPECT_NEAR(static_cast<double>(had["news0"]), 20, kAbout / 2);
    world.drain(hours(24));
    world.check_over();
    if (HasFailure()) break;
  }
}

// More fresh mail than a destination takes, and of a few campaigns what it has put off before: that
// waits for its time and then for turns, not until the fresh mail ends, although its text has to be
// read back while that of fresh mail is in memory.
TEST_F(Order, OfRetriesIsAmongFreshMail) {
  constexpr std::size_t kCampaigns = 8;
  for (const std::uint64_t seed : seeds(2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    World world(seed);
    const std::uint32_t site = add_sites(world, Seconds(2));
    MailHost& host = world.host(site);
    world.start();
    std::map<std::string, TimePoint> put_off;  // by recipient: the first try
    std::size_t came_back = 0;
    host.on_recipient = [&](const std::string& who) {
      if (host.manners.defers > 0) put_off.emplace(who, world.timeline.now());
    };
    world.ledger.on_delivered = [&](std::uint32_t letter, const Addressee& to) {
      const auto found = put_off.find(to.address);
      if (found == put_off.end()) return;
      ++came_back;
      // The retry comes after five minutes, 10 % more or less.
      EXPECT_LE(world.timeline.now() - found->second, Seconds(330 + 90)) << "letter " << letter;
    };
    const auto submit_for = [&](Duration time) {
      const TimePoint end = world.timeline.now() + time;
      for (std::size_t i = 0; world.timeline.now() < end; ++i) {
        world.submit({.to = {"one.example"},
                      .from = "home.example",
                      .campaign = "c" + std::to_string(i % kCampaigns)});
        world.run_for(Milliseconds(250));
      }
    };
    submit_for(minutes(3));
    host.manners.defers = 1;
    submit_for(Seconds(10));
    host.manners.defers = 0;
    submit_for(minutes(15));
    EXPECT_GE(put_off.size(), 10U);
    EXPECT_EQ(came_back, put_off.size()) << "they wait behind fresh mail";
    EXPECT_GT(world.process().queue().stats().deliveries, 500U) << "nothing to wait for";
    world.drain(hours(24));
    world.check_over();
    if (HasFailure()) break;
  }
}

// The guard looks at the address: what leads into a private network is not contacted, and bounces.
TEST_F(Order, OfTheGuardIsThatPrivateAddressesAreLeftAlone) {
  World world(seeds(1).front());
  world.add_site({"home.example"}, {Manners()});
  world.add_private_domain("private.example");
  world.start();
  world.submit({.to = {"private.example"}, .from = "home.example"});
  world.drain(hours(1));
  EXPECT_EQ(world.ledger.ended("bounced"), 1U);
  world.check_over();
}

// What is under way at SIGTERM ends; the rest waits on disk. Nothing is delivered twice: every
// reply came in time.
TEST_F(Order, OfAStopLosesAndRepeatsNothing) {
  for (const std::uint64_t seed : seeds(5)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    World world(seed);
    Manners slow;
    slow.think_from = Milliseconds(100);
    slow.think_to = Milliseconds(400);
    world.add_site({"home.example"}, {Manners()});
    std::vector<std::uint32_t> sites;
    for (int i = 0; i < 20; ++i) {
      sites.push_back(world.add_site({"d" + std::to_string(i) + ".example"}, {slow}));
    }
    world.start();
    for (std::size_t i = 0; i < 2000; ++i) {
      world.submit({.to = {"d" + std::to_string(world.random.below(20)) + ".example"},
                    .from = "home.example"});
    }
    for (int stop = 0; stop < 10; ++stop) {
      world.run_for(between(world.random, Milliseconds(1), Seconds(3)));
      const TimePoint asked = world.timeline.now();
      world.shut_down();
      EXPECT_LT(world.timeline.now() - asked, Seconds(7)) << "it did not become quiet by itself";
      world.start();
    }
    world.drain(hours(24));
    EXPECT_EQ(world.ledger.ended("delivered"), world.ledger.letters().size());
    EXPECT_EQ(world.ledger.repeated, 0U);
    world.check_over();
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace postrider::sim
