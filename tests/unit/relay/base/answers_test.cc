#include "relay/base/answers.h"

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <thread>

namespace postrider {
namespace {

constexpr Duration kHang = Seconds(60);

TEST(AnswersTest, AnAnswerOfAnotherThreadEndsTheWait) {
  Answers answers;
  std::optional<int> answer;
  std::thread other([&] { answers.post([&] { answer = 7; }); });
  EXPECT_EQ(answers.wait(kHang, [&] { return answer.has_value(); }), Answers::State::kAnswered);
  EXPECT_EQ(answer, 7);
  other.join();
}

TEST(AnswersTest, NoAnswerIsLate) {
  Answers answers;
  EXPECT_EQ(answers.wait(Milliseconds(1), [] { return false; }), Answers::State::kLate);
}

TEST(AnswersTest, StoppingEndsEveryWait) {
  Answers answers;
  std::thread other([&] { answers.stop(); });
  EXPECT_EQ(answers.wait(kHang, [] { return false; }), Answers::State::kStopped);
  other.join();
  EXPECT_EQ(answers.wait(kHang, [] { return false; }), Answers::State::kStopped);
}

TEST(AnswersTest, WhatWasAnsweredBeforeTheStopIsAnAnswer) {
  Answers answers;
  bool answered = false;
  answers.post([&] { answered = true; });
  answers.stop();
  EXPECT_EQ(answers.wait(kHang, [&] { return answered; }), Answers::State::kAnswered);
}

TEST(AnswersTest, MayComeWhenNobodyWaitsAnyMore) {
  auto answers = std::make_shared<Answers>();
  Task late = [answers, answer = std::make_shared<int>()] {
    answers->post([answer] { *answer = 1; });
  };
  answers.reset();
  late();
}

}  // namespace
}  // namespace postrider
