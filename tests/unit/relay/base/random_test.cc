#include "relay/base/random.h"

#include <algorithm>
#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <thread>
#include <vector>

namespace postrider {
namespace {

TEST(Random, SameSeedGivesTheSameBytes) {
  SeededRandom a(7), b(7), c(8);
  std::array<std::byte, 100> x{}, y{}, z{};
  a.fill(x);
  b.fill(y);
  c.fill(z);
  EXPECT_EQ(x, y);
  EXPECT_NE(x, z);
  EXPECT_EQ(a.u64(), b.u64());
}

TEST(Random, BelowStaysBelowAndReachesEverything) {
  SeededRandom random(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.below(10));
  EXPECT_THAT(seen, ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_EQ(random.below(1), 0U);
}

// With plain modulo the lower third of this range would come up twice as often.
TEST(Random, BelowIsEvenForAwkwardBounds) {
  SeededRandom random(2);
  const std::uint64_t bound = 3ULL << 62;
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += random.below(bound) < bound / 3 ? 1 : 0;
  EXPECT_NEAR(low, 10000, 500);
}

TEST(RandomDeathTest, BelowNothingIsABug) {
  SeededRandom random(1);
  EXPECT_DEATH(random.below(0), "check failed: bound > 0");
}

TEST(Random, UnitIsInRangeAndSpread) {
  SeededRandom random(3);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double value = random.unit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(Random, TokensHaveTheirLengthAndAlphabet) {
  SystemRandom random;
  for (const std::size_t length : {0U, 1U, 31U, 100U}) {
    const std::string token = random.token(length);
    EXPECT_EQ(token.size(), length);
    EXPECT_EQ(token.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz"), std::string::npos);
  }
}

TEST(Random, SystemRandomDoesNotRepeat) {
  SystemRandom random;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 10000; ++i) seen.insert(random.u64());
  EXPECT_EQ(seen.size(), 10000U);
}

TEST(Random, SystemRandomFillsMoreThanItKeeps) {
  SystemRandom random;
  std::vector<std::byte> bytes(5000);
  random.fill(bytes);
  // Each value is expected about twenty times; missing altogether has a chance of 1 in 10^8.
  for (int value = 0; value < 256; ++value) {
    EXPECT_GT(std::count(bytes.begin(), bytes.end(), std::byte(value)), 0) << value;
  }
}

TEST(Random, ThreadsDrawDifferentBytes) {
  std::vector<std::uint64_t> drawn(8);
  std::vector<std::thread> threads;
  for (auto& value : drawn) {
    threads.emplace_back([&value] { value = SystemRandom().u64(); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::uint64_t>(drawn.begin(), drawn.end()).size(), drawn.size());
}

}  // namespace
}  // namespace postrider
