// Two hundred hostile and slow destinations at once leave the latency of a control destination as
// it is without them: equal, to the nanosecond of virtual time.
#include <gtest/gtest.h>
#include <map>

#include "tests/sim/quiet_log.h"
#include "tests/sim/seeds.h"
#include "tests/sim/world.h"

namespace postrider::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr std::size_t kHostile = 200;
constexpr std::size_t kLettersEach = 60;
constexpr std::size_t kControlLetters = 360;
constexpr Duration kControlPause = Seconds(10);

// What takes time takes the same time with and without the others: nothing but what they do to the
// relay can make a difference.
ProcessOptions exact_options() {
  ProcessOptions options;
  options.commit_from = options.commit_to = Duration{};
  options.delivery.retry.lifetime = hours(24);
  // The hostile ones together have more than can be leased, and each more than a queue may lease.
  options.queue.leases_max = 2000;
  options.queue.leases_per_queue_max = 200;
  return options;
}

Manners hostile(std::size_t i) {
  static constexpr Fault kFaults[] = {Fault::kSilence, Fault::kDrip,  Fault::kDeaf,
                                      Fault::kGarbage, Fault::kClose, Fault::kGoing,
                                      Fault::kEndless, Fault::kReset, Fault::kLostReply};
  static constexpr Phase kPhases[] = {Phase::kGreeting,  Phase::kHello, Phase::kMail,
                                      Phase::kRecipient, Phase::kData,  Phase::kText};
  Manners manners;
  if (i % 10 < 6) {
    manners.faults.push_back({kPhases[i % 6], kFaults[i % 9], 1.0});
  } else if (i % 10 == 6) {
    manners.outages.push_back({Timeline::kStart, TimePoint::max(), Reach::kSilent});
  } else if (i % 10 == 7) {
    manners.outages.push_back({Timeline::kStart, TimePoint::max(), Reach::kRefuses});
  } else if (i % 10 == 8) {
    manners.defers = 1;
  } else {
    manners.think_from = manners.think_to = Seconds(60);  // slow
  }
  return manners;
}

// Of each letter to the control destination, from its submission until the relay had its 250.
std::map<std::uint32_t, Duration> control_latencies(std::uint64_t seed, bool with_hostile) {
  World world(seed, exact_options());
  world.timeline.post_delay_max = Duration{};
  Manners well;
  well.think_from = well.think_to = Milliseconds(2);
  world.add_site({"control.example"}, {well});
  world.add_site({"home.example"}, {well});
  for (std::size_t i = 0; i < kHostile; ++i) {
    world.add_site({"h" + std::to_string(i) + ".example"}, {hostile(i)});
  }
  world.start();
  std::map<std::uint32_t, Duration> latencies;
  std::map<std::uint32_t, std::uint32_t> control;  // by letter
  world.ledger.on_delivered = [&](std::uint32_t letter, const Addressee&) {
    const auto found = control.find(letter);
    if (found == control.end()) return;
    latencies[found->second] = world.timeline.now() - world.ledger.letters()[letter].submitted;
  };
  for (std::size_t i = 0; with_hostile && i < kHostile * kLettersEach; ++i) {
    world.submit({.to = {"h" + std::to_string(i % kHostile) + ".example"}, .from = "home.example"});
  }
  std::size_t leases_most = 0;
  for (std::uint32_t i = 0; i < kControlLetters; ++i) {
    world.run_for(kControlPause);
    leases_most = std::max<std::size_t>(leases_most, world.process().queue().stats().leases);
    const std::uint32_t letter = world.submit({.to = {"control.example"}, .from = "home.example"});
    control[letter] = i;
  }
  world.run_for(minutes(10));
  if (with_hostile) {
    EXPECT_GT(leases_most, world.options.queue.leases_max * 3 / 4) << "not hostile enough";
  }
  EXPECT_EQ(latencies.size(), kControlLetters);
  return latencies;
}

TEST(Hostile, DestinationsLeaveOthersAlone) {
  const QuietLog quiet;
  for (const std::uint64_t seed : seeds(1)) {
    SCOPED_TRACE("repeat with POSTRIDER_SEED=" + std::to_string(seed));
    const auto alone = control_latencies(seed, false);
    const auto among = control_latencies(seed, true);
    ASSERT_EQ(alone.size(), among.size());
    for (const auto& [letter, latency] : alone) {
      EXPECT_LT(latency, Milliseconds(250)) << "letter " << letter << " alone";
      EXPECT_EQ(among.at(letter), latency)
          << "letter " << letter << ": " << std::chrono::duration<double>(among.at(letter)).count()
          << " s instead of " << std::chrono::duration<double>(latency).count() << " s";
      if (::testing::Test::HasFailure()) break;
    }
  }
}

}  // namespace
}  // namespace postrider::sim
