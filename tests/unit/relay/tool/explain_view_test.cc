#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/admin/explanation_json.h"
#include "relay/tool/explain_command.h"

namespace postrider::tool {
namespace {

delivery::Explanation explanation() {
  delivery::Explanation made;
  made.address = "ann@example.org";
  made.route = "mail hosts of example.org, port 25, TLS may";
  made.hosts = {{"mx1.big.example", 10, {{*IpAddress::parse("192.0.2.1"), ""}}},
                {"mx2.big.example", 20, {{*IpAddress::parse("10.0.0.1"), "not used"}}}};
  made.site = "mx1.big.example,mx2.big.example";
  made.provider = "big";
  made.sources = {{"a",
                   "192.0.2.10",
                   "a.example",
                   0.25,
                   {{"connections", "20", "[delivery]"}},
                   {{"message rate", "10/m", "provider big"}},
                   delivery::SiteState{3, 1, 4, 12, 0, Milliseconds(0), Milliseconds(1500), 4}}};
  made.running = true;
  return made;
}

TEST(ShowExplanation, SaysAllOfIt) {
  const auto text = show_explanation(admin::to_json(explanation()));
  ASSERT_TRUE(text);
  const std::string now =
      "  now        3 connections (1 idle) of 4 it may have now, 12 waiting; it had trouble with "
      "more than 4, and is seldom tried with more; the next message may go in 1500 ms\n";
  EXPECT_EQ(*text, R"(ann@example.org
  route      mail hosts of example.org, port 25, TLS may
  DNSSEC     not validated
  hosts      10    mx1.big.example
                   192.0.2.1
             20    mx2.big.example
                   10.0.0.1 (not used)
  site       mx1.big.example,mx2.big.example
  provider   big
  source     a (192.0.2.10, EHLO a.example), 25 % of the mail
             connections                                  20       [delivery]
             message rate, all sites of the provider      10/m     provider big
)" + now);
}

TEST(ShowExplanation, WithoutARelayOrAState) {
  delivery::Explanation made = explanation();
  made.authentic = true;
  made.sources[0].state.reset();
  EXPECT_THAT(*show_explanation(admin::to_json(made)),
              testing::AllOf(testing::HasSubstr("now        nothing under way"),
                             testing::HasSubstr("DNSSEC     validated")));
  made.running = false;
  EXPECT_THAT(*show_explanation(admin::to_json(made)),
              testing::HasSubstr("worked out from the configuration"));
}

TEST(ShowExplanation, AVerdictIsShown) {
  delivery::Explanation made;
  made.address = "ann@gone.example";
  made.verdict = {550, {5, 1, 2}, "The domain does not exist"};
  EXPECT_THAT(*show_explanation(admin::to_json(made)),
              testing::HasSubstr("verdict    550 5.1.2 The domain does not exist"));
}

TEST(ShowExplanation, RefusesWhatIsNone) {
  for (const char* body : {"", "[]", "{}", R"({"address":5})", "<html>"}) {
    EXPECT_FALSE(show_explanation(body)) << body;
  }
}

}  // namespace
}  // namespace postrider::tool
