// Internet: thousands of sites of all manners, and traffic to them, as the seed has it. Thread:
// one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace postrider::sim {

// Shares of each hundred: most hosts are well, and each kind of trouble has some.
Manners any_manners(Random& random, TimePoint from, Duration days);

// Answers everything, at a leisurely pace.
Manners good_manners();

class Internet {
 public:
  // `sites` with one to three hosts and one to ten domains each; a few domains that lead nowhere.
  // Troubles that come and go do so within `days`.
  Internet(World& world, std::size_t sites, Duration days);

  // From now on, and for `days`, about so many letters, and now and then a burst to one domain.
  void begin_traffic(std::size_t letters, Duration days);

  [[nodiscard]] bool traffic_ended() const { return left_ == 0; }

 private:
  void post_one();
  void burst();
  Mail any_mail();
  const std::string& any_domain();

  World& world_;
  std::vector<std::string> domains_;
  std::vector<std::string> homes_;  // of senders
  std::size_t left_ = 0;
  Duration pause_{};
};

}  // namespace postrider::sim
