#include "relay/config/problems.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postrider::config {
namespace {

using testing::ElementsAre;

TEST(ProblemList, IsInTheOrderOfLines) {
  ProblemList list("x.toml");
  list.add(7, "late");
  list.add(2, "early");
  list.add(0, "whole file");
  EXPECT_THAT(list.take(), ElementsAre(Problem{"x.toml", "whole file"},
                                       Problem{"x.toml:2", "early"}, Problem{"x.toml:7", "late"}));
  EXPECT_TRUE(list.take().empty());
}

TEST(ProblemList, FindsTheLineOfAnOptionOrOfItsEntry) {
  const Lines lines = {{"delivery.port", 3}, {"listener[0]", 8}};
  ProblemList list("x.toml");
  list.add(lines, "delivery.port", "bad");
  list.add(lines, "listener[0].address", "missing");
  list.add(lines, "server.host_name", "missing");
  EXPECT_THAT(list.take(), ElementsAre(Problem{"x.toml", "server.host_name: missing"},
                                       Problem{"x.toml:3", "delivery.port: bad"},
                                       Problem{"x.toml:8", "listener.address: missing"}));
}

TEST(ProblemList, SaysNothingMoreAboutABadValue) {
  const Lines lines = {{"delivery.port", 3}};
  ProblemList list("x.toml");
  list.add_bad_value(lines, "delivery.port", "bad");
  list.add(lines, "delivery.port", "and what follows from it");
  EXPECT_TRUE(list.has_bad_value("delivery.port"));
  EXPECT_THAT(list.take(), ElementsAre(Problem{"x.toml:3", "delivery.port: bad"}));
}

TEST(ProblemList, IsBounded) {
  ProblemList list("x.toml");
  for (unsigned i = 0; i < ProblemList::kProblemsMax + 5; ++i) list.add(1, "bad");
  const auto problems = list.take();
  ASSERT_EQ(problems.size(), ProblemList::kProblemsMax + 1);
  EXPECT_EQ(problems.back(), (Problem{"x.toml", "and 5 more problems"}));
}

TEST(WithoutIndex, IsTheNameAsTheFileHasIt) {
  EXPECT_EQ(without_index("listener[12].address"), "listener.address");
  EXPECT_EQ(without_index("delivery.port"), "delivery.port");
}

}  // namespace
}  // namespace postrider::config
