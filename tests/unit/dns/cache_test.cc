#include "dns/cache.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace postrider::dns {
namespace {

class CacheTest : public ::testing::Test {
 protected:
  static Question question(int number) { return {"name" + std::to_string(number), QueryType::kMx}; }

  void put(int number, Duration ttl = Seconds(60), std::size_t hosts = 0) {
    Answer answer{.outcome = Outcome::kFound};
    for (std::size_t i = 0; i < hosts; ++i) answer.mx.push_back({1, std::string(200, 'x')});
    cache_.put(question(number), std::make_shared<const Answer>(std::move(answer)), now_ + ttl);
  }

  bool has(int number) { return cache_.find(question(number), now_) != nullptr; }

  TimePoint now_{Seconds(1000)};
  Cache cache_{10};
};

TEST_F(CacheTest, FindsWhatWasPut) {
  put(1);
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(2));
}

TEST_F(CacheTest, TypesOfOneNameAreDifferentQuestions) {
  put(1);
  EXPECT_EQ(cache_.find({"name1", QueryType::kA}, now_), nullptr);
}

TEST_F(CacheTest, AnswersExpireAndAreDropped) {
  put(1, Seconds(5));
  now_ += Seconds(5);
  EXPECT_FALSE(has(1));
  EXPECT_EQ(cache_.size(), 0U);
}

TEST_F(CacheTest, ANewAnswerReplacesTheOld) {
  put(1, Seconds(5));
  put(1, Seconds(50));
  now_ += Seconds(20);
  EXPECT_TRUE(has(1));
  EXPECT_EQ(cache_.size(), 1U);
}

TEST_F(CacheTest, TheLeastRecentlyUsedGoesFirst) {
  for (int i = 0; i < 10; ++i) put(i);
  EXPECT_TRUE(has(0));
  put(10);
  EXPECT_EQ(cache_.size(), 10U);
  EXPECT_TRUE(has(0));
  EXPECT_FALSE(has(1));
}

TEST_F(CacheTest, LargeAnswersTakeMorePlaces) {
  for (int i = 0; i < 10; ++i) put(i);
  put(10, Seconds(60), 20);
  EXPECT_TRUE(has(10));
  EXPECT_LT(cache_.size(), 8U);
}

TEST_F(CacheTest, WhatIsTooLargeForAllIsNotKept) {
  put(1);
  put(2, Seconds(60), 500);
  EXPECT_FALSE(has(2));
  EXPECT_TRUE(has(1));
}

TEST_F(CacheTest, AnAnswerInUseOutlivesItsEntry) {
  put(0);
  const auto held = cache_.find(question(0), now_);
  for (int i = 1; i < 20; ++i) put(i);
  EXPECT_FALSE(has(0));
  EXPECT_EQ(held->outcome, Outcome::kFound);
}

}  // namespace
}  // namespace postrider::dns
