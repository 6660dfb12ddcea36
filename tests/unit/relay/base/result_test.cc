#include "relay/base/result.h"

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postrider {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::StartsWith;

Result<int> half(int number) {
  if (number % 2 != 0) return failure("odd", EINVAL);
  return number / 2;
}

TEST(Error, TellsWhatFailedAndWhy) {
  const Error error = Error::from_errno("opening /etc/x", ENOENT);
  EXPECT_EQ(error.text(), "opening /etc/x: No such file or directory");
  EXPECT_EQ(error.system_code(), ENOENT);
}

TEST(Error, KeepsItsCodeWithinAContext) {
  const Error outer = Error::from_errno("write", ENOSPC).within("journal /var/j");
  EXPECT_THAT(outer.text(), AllOf(StartsWith("journal /var/j: write: "), EndsWith("device")));
  EXPECT_EQ(outer.system_code(), ENOSPC);
}

TEST(Error, CopiesShareTheText) {
  const Error error("a sentence");
  const Error copy = error;  // NOLINT(performance-unnecessary-copy-initialization)
  EXPECT_EQ(&copy.text(), &error.text());
  EXPECT_EQ(copy.system_code(), 0);
}

TEST(Result, HoldsAValueOrAnError) {
  ASSERT_TRUE(half(4).has_value());
  EXPECT_EQ(*half(4), 2);
  ASSERT_FALSE(half(3).has_value());
  EXPECT_EQ(half(3).error().text(), "odd");
  EXPECT_EQ(half(3).error().system_code(), EINVAL);
}

TEST(Result, HandsAnErrorOnAsItIs) {
  const auto outer = []() -> Result<std::string> {
    const auto inner = half(3);
    if (!inner) return failure(inner.error().within("halving"));
    return std::to_string(*inner);
  }();
  ASSERT_FALSE(outer);
  EXPECT_EQ(outer.error().text(), "halving: odd");
}

TEST(Result, CarriesMoveOnlyValuesAndNothing) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  auto made = make();
  ASSERT_TRUE(made);
  const std::unique_ptr<int> taken = *std::move(made);
  EXPECT_EQ(*taken, 7);
  const auto act = [](bool fail) -> Result<void> {
    if (fail) return failure("no");
    return {};
  };
  EXPECT_TRUE(act(false));
  EXPECT_FALSE(act(true));
}

}  // namespace
}  // namespace postrider
