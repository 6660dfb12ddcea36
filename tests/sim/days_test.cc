// Days of a relay among sites of all manners: with nothing but their hostility, with kills, power
// losses and shutdowns between, and twice the same.
#include <gtest/gtest.h>

#include "tests/sim/internet.h"
#include "tests/sim/quiet_log.h"
#include "tests/sim/seeds.h"

namespace postrider::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// Small limits, so that each is met.
ProcessOptions small_options() {
  ProcessOptions options;
  options.queue.leases_max = 100;
  options.queue.leases_per_queue_max = 40;
  options.queue.lease_bytes_max = std::size_t{256} * 1024;
  options.queue.group_max = 16;
  options.delivery.window.connections_max = 12;  // more than stay with the owner of a site
  options.delivery.messages_per_connection_max = 10;
  options.delivery.addresses_max = 4;
  options.delivery.retry.lifetime = hours(24);
  return options;
}

struct Size {
  std::size_t sites = 0;
  std::size_t letters = 0;
  Duration days{};
};

// Lifetimes of what is submitted last, of its reports, and of what they meet.
constexpr Duration kDrain = hours(24 * 4);

void tell(const World& world) {
  const Ledger& ledger = world.ledger;
  std::printf(
      "  %llu events, %zu letters: %zu delivered, %zu bounced, %zu expired, %zu notices, "
      "%llu repeats\n",
      static_cast<unsigned long long>(world.timeline.events()), ledger.letters().size(),
      ledger.ended("delivered"), ledger.ended("bounced"), ledger.ended("expired"), ledger.notices(),
      static_cast<unsigned long long>(ledger.repeated));
}

class Days : public ::testing::Test {
 protected:
  QuietLog quiet_;
};

TEST_F(Days, AmongSitesOfAllManners) {
  const Size size = is_long() ? Size{5000, 200'000, hours(72)} : Size{2000, 20'000, hours(48)};
  for (const std::uint64_t seed : seeds(1)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    World world(seed, small_options());
    world.timeline.events_max = size.letters * 1000;
    Internet internet(world, size.sites, size.days);
    world.start();
    internet.begin_traffic(size.letters, size.days);
    while (!internet.traffic_ended() && world.clean()) world.run_for(hours(1));
    EXPECT_GT(world.process().counted(metrics::Metric::kLaneDeliveries), 0U);
    world.drain(kDrain);
    world.check_over();
    tell(world);
    EXPECT_GT(world.ledger.ended("delivered"), size.letters / 2);
    EXPECT_GT(world.ledger.ended("bounced"), size.letters / 1000);
    EXPECT_GT(world.ledger.ended("expired"), size.letters / 1000);
    EXPECT_GT(world.ledger.notices(), size.letters / 500);
    EXPECT_EQ(world.refused, 0U);
    if (HasFailure()) break;
  }
}

// The end of a life: a kill, a power loss, or an orderly stop; and the next one.
void end_a_life(World& world) {
  const auto kind = world.random.below(3);
  if (kind == 2) {
    world.shut_down(between(world.random, Milliseconds(0), Seconds(7)));
  } else {
    world.kill(kind == 1);
  }
  world.run_for(between(world.random, Milliseconds(100), minutes(2)));
  world.start();
}

TEST_F(Days, WithKillsAndPowerLosses) {
  const Size size = is_long() ? Size{500, 40'000, hours(48)} : Size{200, 4'000, hours(12)};
  for (const std::uint64_t seed : seeds(is_long() ? 10 : 2)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    World world(seed, small_options());
    world.timeline.events_max = size.letters * 1000;
    Internet internet(world, size.sites, size.days);
    world.start();
    internet.begin_traffic(size.letters, size.days);
    while (!internet.traffic_ended() && world.clean()) {
      world.run_for(between(world.random, Seconds(1), minutes(40)));
      end_a_life(world);
    }
    world.drain(kDrain);
    world.check_over();
    tell(world);
    if (HasFailure()) break;
  }
}

std::uint64_t trace_of(std::uint64_t seed) {
  World world(seed, small_options());
  Internet internet(world, 100, hours(6));
  world.start();
  internet.begin_traffic(500, hours(6));
  world.run_for(hours(12));
  return world.timeline.trace();
}

TEST_F(Days, AreTheSameForTheSameSeed) {
  const std::uint64_t seed = seeds(1).front();
  const std::uint64_t first = trace_of(seed);
  EXPECT_EQ(trace_of(seed), first) << "seed " << seed;
  EXPECT_NE(trace_of(seed + 1), first);
}

}  // namespace
}  // namespace postrider::sim
