#include "dns/resolution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace postrider::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Answer mx_answer(std::vector<MxRecord> records) {
  return Answer{.outcome = Outcome::kFound, .mx = std::move(records)};
}

Answer addresses(const std::vector<std::string>& ips) {
  Answer answer{.outcome = Outcome::kFound};
  for (const std::string& ip : ips) answer.addresses.push_back(IpAddress::parse(ip).value());
  return answer;
}

Answer nothing(Outcome outcome) {
  return Answer{.outcome = outcome};
}

class ResolutionTest : public ::testing::Test {
 protected:
  std::vector<std::string> asked() {
    std::vector<std::string> asked;
    for (const Question& question : resolution_.take_questions()) {
      asked.push_back(to_string(question));
    }
    return asked;
  }

  // Answers the MX question with these, and takes what is asked next.
  void with_mx(std::vector<MxRecord> records) {
    asked();
    resolution_.answer({"example.org", QueryType::kMx}, mx_answer(std::move(records)));
    asked();
  }

  void answer(QueryType type, const std::string& name, const Answer& answer) {
    resolution_.answer({name, type}, answer);
  }

  SeededRandom random_{3};
  Resolution resolution_{"example.org", Resolution::Kind::kDomain, true, random_};
};

TEST_F(ResolutionTest, AsksForMxFirstAndForAddressesThen) {
  EXPECT_THAT(asked(), ElementsAre("MX example.org"));
  EXPECT_THAT(asked(), IsEmpty());
  answer(QueryType::kMx, "example.org", mx_answer({{10, "a.x"}, {20, "b.x"}}));
  EXPECT_THAT(asked(), ElementsAre("AAAA a.x", "A a.x", "AAAA b.x", "A b.x"));
  EXPECT_EQ(resolution_.route(), nullptr);
}

TEST_F(ResolutionTest, IsAuthenticIfAllAnswersAre) {
  for (const bool one_is_not : {false, true}) {
    Resolution resolution("example.org", Resolution::Kind::kDomain, true, random_);
    resolution.take_questions();
    Answer mx = mx_answer({{10, "a.x"}});
    mx.authentic = true;
    resolution.answer({"example.org", QueryType::kMx}, mx);
    Answer v4 = addresses({"192.0.2.1"});
    v4.authentic = true;
    resolution.answer({"a.x", QueryType::kA}, v4);
    Answer v6 = nothing(Outcome::kNoData);
    v6.authentic = !one_is_not;
    resolution.answer({"a.x", QueryType::kAaaa}, v6);
    ASSERT_NE(resolution.route(), nullptr);
    EXPECT_EQ(resolution.route()->authentic, !one_is_not);
  }
}

TEST_F(ResolutionTest, FamiliesAlternate) {
  with_mx({{10, "a.x"}});
  answer(QueryType::kA, "a.x", addresses({"192.0.2.1", "192.0.2.2", "192.0.2.3"}));
  EXPECT_EQ(resolution_.route(), nullptr);
  answer(QueryType::kAaaa, "a.x", addresses({"2001:db8::1", "2001:db8::2"}));
  std::vector<std::string> order;
  for (const IpAddress& ip : resolution_.route()->hosts.at(0).addresses) {
    order.push_back(ip.to_string());
  }
  EXPECT_THAT(order,
              ElementsAre("2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"));
}

TEST_F(ResolutionTest, EveryFailureOfTheMxQuestionIsTemporary) {
  for (const Outcome outcome : {Outcome::kServerFailure, Outcome::kRefused, Outcome::kNotUnderstood,
                                Outcome::kMalformed, Outcome::kTimeout, Outcome::kUnreachable}) {
    Resolution resolution("example.org", Resolution::Kind::kDomain, true, random_);
    resolution.take_questions();
    resolution.answer({"example.org", QueryType::kMx}, nothing(outcome));
    EXPECT_EQ(resolution.route()->status, RouteStatus::kTemporary) << to_string(outcome);
    EXPECT_THAT(resolution.take_questions(), IsEmpty());
  }
}

TEST_F(ResolutionTest, AnswersNotAskedForChangeNothing) {
  with_mx({{10, "a.x"}});
  answer(QueryType::kMx, "example.org", nothing(Outcome::kNoDomain));
  answer(QueryType::kA, "other.x", addresses({"192.0.2.66"}));
  EXPECT_EQ(resolution_.route(), nullptr);
}

TEST_F(ResolutionTest, GivingUpBeforeTheMxAnswerIsTemporary) {
  asked();
  resolution_.give_up();
  EXPECT_EQ(resolution_.route()->status, RouteStatus::kTemporary);
}

TEST_F(ResolutionTest, GivingUpWithoutAnyAddressIsTemporary) {
  with_mx({{10, "a.x"}, {20, "b.x"}});
  answer(QueryType::kA, "a.x", nothing(Outcome::kNoDomain));
  answer(QueryType::kAaaa, "a.x", nothing(Outcome::kNoDomain));
  resolution_.give_up();
  EXPECT_EQ(resolution_.route()->status, RouteStatus::kTemporary);
}

TEST_F(ResolutionTest, GivingUpKeepsWhatIsKnown) {
  with_mx({{10, "a.x"}, {20, "b.x"}});
  answer(QueryType::kA, "b.x", addresses({"192.0.2.1"}));
  resolution_.give_up();
  const auto route = resolution_.route();
  ASSERT_EQ(route->status, RouteStatus::kFound);
  EXPECT_EQ(route->hosts.at(0).name, "b.x");
  EXPECT_TRUE(route->hosts.at(0).temporary);
  EXPECT_EQ(route->site, "a.x,b.x");
}

TEST_F(ResolutionTest, DetailsAreBounded) {
  std::vector<MxRecord> records;
  for (int i = 0; i < 20; ++i) {
    records.push_back({10, std::string(60, 'x') + std::to_string(i) + ".example"});
  }
  with_mx(records);
  for (const MxRecord& record : records) {
    answer(QueryType::kA, record.host, nothing(Outcome::kNoDomain));
    answer(QueryType::kAaaa, record.host, nothing(Outcome::kNoDomain));
  }
  EXPECT_EQ(resolution_.route()->status, RouteStatus::kNoHosts);
  EXPECT_THAT(resolution_.route()->detail, HasSubstr("NXDOMAIN"));
  EXPECT_LT(resolution_.route()->detail.size(), 1000U);
}

TEST(NormalDomain, IsLowerCaseWithoutTheTrailingDot) {
  EXPECT_EQ(normal_domain("Example.ORG."), "example.org");
  EXPECT_EQ(normal_domain("a"), "a");
  EXPECT_EQ(normal_domain("a.."), "a.");
  EXPECT_EQ(normal_domain(""), "");
}

}  // namespace
}  // namespace postrider::dns
