#include "relay/base/task.h"

#include <gtest/gtest.h>
#include <string>

#include "relay/base/executor.h"

namespace postrider {
namespace {

TEST(UniqueFunction, OwnsMoveOnlyThings) {
  UniqueFunction<int(int)> add = [base = std::make_unique<int>(40)](int n) { return *base + n; };
  EXPECT_EQ(add(2), 42);
  EXPECT_EQ(add(3), 43);
}

TEST(UniqueFunction, KnowsWhetherItHoldsSomething) {
  UniqueFunction<void()> empty;
  EXPECT_FALSE(empty);
  UniqueFunction<void()> full = [] {};
  EXPECT_TRUE(full);
  UniqueFunction<void()> taken = std::move(full);
  EXPECT_TRUE(taken);
  EXPECT_FALSE(full);  // NOLINT(bugprone-use-after-move): moved from means empty
}

TEST(UniqueFunction, KeepsStateBetweenCalls) {
  UniqueFunction<int()> count = [n = 0]() mutable { return ++n; };
  count();
  EXPECT_EQ(count(), 2);
}

TEST(UniqueFunction, PassesArgumentsWithoutCopies) {
  UniqueFunction<std::unique_ptr<int>(std::unique_ptr<int>)> pass = [](std::unique_ptr<int> p) {
    return p;
  };
  EXPECT_EQ(*pass(std::make_unique<int>(5)), 5);
  std::string text = "a";
  UniqueFunction<void(std::string&)> extend = [](std::string& s) { s += "b"; };
  extend(text);
  EXPECT_EQ(text, "ab");
}

TEST(UniqueFunction, DestroysWhatItOwnsOnce) {
  const auto owned = std::make_shared<int>(1);
  UniqueFunction<void()> holder = [owned] {};
  EXPECT_EQ(owned.use_count(), 2);
  holder = {};
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(InlineExecutor, RunsAtOnce) {
  InlineExecutor executor;
  bool ran = false;
  executor.post([&ran] { ran = true; });
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace postrider
