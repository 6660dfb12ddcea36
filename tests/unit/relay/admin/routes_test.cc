#include "relay/admin/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include <nlohmann/json.hpp>

#include "tests/unit/relay/admin/filled_queue.h"

namespace postrider::admin {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

class RoutesTest : public testing::Test {
 protected:
  using Parameters = std::vector<std::pair<std::string, std::string>>;

  Response ask(const std::string& method, const std::string& path,
               const Parameters& parameters = {}) {
    return routes_.answer({method, path, parameters, "", false});
  }

  Json get(const std::string& path, const Parameters& parameters = {}) {
    const Response response = ask("GET", path, parameters);
    EXPECT_EQ(response.code, 200) << response.body;
    EXPECT_EQ(response.content_type, "application/json");
    return Json::parse(response.body, nullptr, false);
  }

  // "400 text of the error"
  std::string refusal(const std::string& method, const std::string& path,
                      const Parameters& parameters = {}) {
    const Response response = ask(method, path, parameters);
    const Json json = Json::parse(response.body, nullptr, false);
    return std::to_string(response.code) + " " +
           (json.contains("error") ? json["error"].get<std::string>() : response.body);
  }

  // How many messages a change was made to.
  int changed(const std::string& method, const std::string& path, const Parameters& parameters) {
    const Response response = ask(method, path, parameters);
    EXPECT_EQ(response.code, 200) << response.body;
    return Json::parse(response.body)["messages"].get<int>();
  }

  FilledQueue filled_;
  Routes routes_{{}, *filled_.queue, filled_.metrics, filled_.clock};
};

TEST_F(RoutesTest, Metrics) {
  const Response response = ask("GET", "/metrics");
  EXPECT_EQ(response.code, 200);
  EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("# TYPE postrider_"));
}

TEST_F(RoutesTest, HealthIsTheQueues) {
  EXPECT_EQ(get("/healthz")["status"], "ok");
  filled_.queue->stop_leasing();
  const Response response = ask("GET", "/healthz");
  EXPECT_EQ(response.code, 503);
  EXPECT_EQ(Json::parse(response.body)["status"], "unavailable");
  EXPECT_NE(Json::parse(response.body)["reason"], "");
}

TEST_F(RoutesTest, AnEmptyQueue) {
  const Json answer = get("/queue");
  EXPECT_EQ(answer["totals"]["messages"], 0);
  EXPECT_EQ(answer["queues"], Json::array());
  EXPECT_EQ(get("/messages")["messages"], Json::array());
}

TEST_F(RoutesTest, QueuesLargestFirstWithTotals) {
  filled_.add("a@s.example", {{"b", "small.example"}});
  filled_.add("a@s.example", {{"b", "big.example"}, {"c", "small.example"}});
  filled_.add("a@s.example", {{"b", "big.example"}});
  filled_.add("a@s.example", {{"b", "big.example"}});
  const Json answer = get("/queue");
  EXPECT_EQ(answer["totals"]["messages"], 4);
  EXPECT_EQ(answer["totals"]["deliveries"], 5);
  EXPECT_EQ(answer["totals"]["queues"], 2);
  ASSERT_EQ(answer["queues"].size(), 2U);
  EXPECT_EQ(answer["queues"][0]["domain"], "big.example");
  EXPECT_EQ(answer["queues"][0]["deliveries"], 3);
  EXPECT_EQ(answer["queues"][1]["deliveries"], 2);
  EXPECT_EQ(get("/queue", {{"limit", "1"}})["queues"].size(), 1U);
}

TEST_F(RoutesTest, WhatTheClientAskedForWithAMessage) {
  message::Envelope wishes;
  wishes.release = filled_.clock.wall() + std::chrono::hours(1);
  wishes.release_request = "for;3600";
  wishes.priority = -4;
  const Json message =
      get("/messages/" + filled_.add("a@s.example", {{"b", "one.example"}}, 1000, wishes));
  EXPECT_EQ(message["release"], to_iso8601(wishes.release));
  EXPECT_GT(message["release_in_seconds"].get<int>(), 3500);
  EXPECT_EQ(message["priority"], -4);
  EXPECT_EQ(message["deliveries"][0]["next_attempt"], message["release"]);
  const Json other = get("/messages/" + filled_.add("a@s.example", {{"b", "one.example"}}));
  EXPECT_TRUE(other["release"].is_null());
  EXPECT_EQ(other["priority"], 0);
}

TEST_F(RoutesTest, AMessageAndItsDeliveries) {
  const std::string id = filled_.add("a@s.example", {{"b", "one.example"}, {"c", "two.example"}});
  ASSERT_TRUE(filled_.defer(2, {451, {4, 7, 1}, "try later"}));
  const Json message = get("/messages/" + id);
  EXPECT_EQ(message["id"], id);
  EXPECT_EQ(message["sender"], "a@s.example");
  EXPECT_EQ(message["user"], "app");
  EXPECT_EQ(message["size"], 1000);
  EXPECT_GE(message["age_seconds"].get<int>(), 0);
  EXPECT_GT(message["expires_in_seconds"].get<int>(), 86'000);
  ASSERT_EQ(message["deliveries"].size(), 2U);
  const Json& delivery = message["deliveries"][0];
  EXPECT_EQ(delivery["attempts"], 1);
  EXPECT_EQ(delivery["in_progress"], false);
  EXPECT_EQ(delivery["recipients"], Json::array({"b@one.example"}));
  EXPECT_EQ(delivery["last_status"], "451 4.7.1 try later");
  EXPECT_GT(delivery["next_attempt_in_seconds"].get<int>(), 3500);
}

TEST_F(RoutesTest, MessagesCanBeSelectedAndLimited) {
  const std::string first = filled_.add("a@s.example", {{"b", "one.example"}});
  filled_.add("c@s.example", {{"b", "two.example"}});
  filled_.add("c@s.example", {{"b", "one.example"}});
  EXPECT_EQ(get("/messages")["messages"].size(), 3U);
  EXPECT_EQ(get("/messages")["messages"][0]["id"], first);
  EXPECT_EQ(get("/messages", {{"domain", "ONE.example"}})["messages"].size(), 2U);
  EXPECT_EQ(get("/messages", {{"sender", "c@S.example"}})["messages"].size(), 2U);
  EXPECT_EQ(
      get("/messages", {{"domain", "one.example"}, {"sender", "c@s.example"}})["messages"].size(),
      1U);
  const Json limited = get("/messages", {{"limit", "2"}});
  EXPECT_EQ(limited["messages"].size(), 2U);
  EXPECT_FALSE(limited["next"].is_null());
  EXPECT_TRUE(get("/messages", {{"limit", "3"}})["next"].is_null());
}

TEST_F(RoutesTest, AnAddressThatIsNoUtf8IsStillJson) {
  filled_.add("a\xff@s.example", {{"b", "one.example"}});
  EXPECT_EQ(get("/messages")["messages"][0]["sender"], "a\xef\xbf\xbd@s.example");
}

TEST_F(RoutesTest, RemovesOneMessage) {
  const std::string id = filled_.add("a@s.example", {{"b", "one.example"}});
  filled_.add("a@s.example", {{"b", "one.example"}});
  ASSERT_TRUE(filled_.defer(2, {451, {}, "later"}));
  EXPECT_EQ(changed("DELETE", "/messages", {{"id", id}}), 1);
  EXPECT_EQ(refusal("GET", "/messages/" + id), "404 no message " + id + " is in the queue");
  EXPECT_EQ(refusal("DELETE", "/messages", {{"id", id}}),
            "404 no message " + id + " that this could change is in the queue");
  EXPECT_EQ(get("/queue")["totals"]["messages"], 1);
}

TEST_F(RoutesTest, RemovesByDomainSenderAndAll) {
  for (const char* domain : {"one.example", "one.example", "two.example", "three.example"}) {
    filled_.add("a@s.example", {{"b", domain}});
  }
  filled_.add("c@s.example", {{"b", "four.example"}});
  ASSERT_TRUE(filled_.defer(5, {451, {}, "later"}));
  EXPECT_EQ(changed("DELETE", "/messages", {{"domain", "one.example"}}), 2);
  EXPECT_EQ(changed("DELETE", "/messages", {{"sender", "c@s.example"}}), 1);
  EXPECT_EQ(changed("DELETE", "/messages", {{"domain", "none.example"}}), 0);
  EXPECT_EQ(changed("DELETE", "/messages", {{"all", "1"}}), 2);
  EXPECT_EQ(get("/queue")["totals"]["messages"], 0);
}

TEST_F(RoutesTest, RetryMakesMessagesDue) {
  const std::string id = filled_.add("a@s.example", {{"b", "one.example"}});
  ASSERT_TRUE(filled_.defer(1, {451, {}, "later"}));
  EXPECT_EQ(changed("POST", "/messages/retry", {{"id", id}}), 1);
  const auto leases = filled_.take(1);
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].message().id.to_string(), id);
}

TEST_F(RoutesTest, HoldsAndReleases) {
  const std::string id = filled_.add("a@s.example", {{"b", "one.example"}});
  ASSERT_TRUE(filled_.defer(1, {451, {}, "later"}));
  EXPECT_EQ(changed("POST", "/messages/hold", {{"id", id}}), 1);
  const Json delivery = get("/messages/" + id)["deliveries"][0];
  EXPECT_EQ(delivery["held"], true);
  EXPECT_TRUE(delivery["next_attempt"].is_null());
  EXPECT_EQ(refusal("POST", "/messages/retry", {{"id", id}}),
            "404 no message " + id + " that this could change is in the queue");
  EXPECT_EQ(changed("POST", "/messages/release", {{"all", "1"}}), 1);
  EXPECT_EQ(filled_.take(1).size(), 1U);
}

TEST_F(RoutesTest, SuspendsAndResumes) {
  filled_.add("a@s.example", {{"b", "one.example"}});
  ASSERT_TRUE(filled_.defer(1, {451, {}, "later"}));
  EXPECT_EQ(refusal("POST", "/queue/suspend"), "400 say which: domain, tenant, campaign, or all=1");
  EXPECT_EQ(refusal("POST", "/queue/resume", {{"domain", "one.example"}}),
            "404 no suspension names exactly this; GET /queue shows them");
  EXPECT_EQ(refusal("POST", "/queue/suspend", {{"all", "1"}, {"for", "soon"}}),
            "400 for is not a number of seconds");
  const Response suspended =
      ask("POST", "/queue/suspend",
          {{"domain", "ONE.example"}, {"reason", "they asked"}, {"for", "60"}});
  EXPECT_EQ(suspended.body, "{\"suspensions\":1}\n");
  const Json queues = get("/queue");
  EXPECT_EQ(queues["suspended"][0]["domain"], "one.example");
  EXPECT_EQ(queues["suspended"][0]["reason"], "they asked");
  EXPECT_LE(queues["suspended"][0]["ends_in_seconds"], 60);
  EXPECT_EQ(queues["queues"][0]["suspended"], true);
  EXPECT_EQ(ask("POST", "/queue/resume", {{"domain", "one.example"}}).code, 200);
  EXPECT_EQ(get("/queue")["suspended"].size(), 0U);
}

TEST_F(RoutesTest, PagesFollowEachOther) {
  for (int i = 0; i < 5; ++i) filled_.add("a@s.example", {{"b", "one.example"}});
  std::size_t seen = 0;
  Json page = get("/messages", {{"limit", "2"}});
  for (; !page["next"].is_null(); seen += 2) {
    page = get("/messages", {{"limit", "2"}, {"from", page["next"]}});
  }
  EXPECT_EQ(seen + page["messages"].size(), 5U);
  EXPECT_EQ(get("/messages", {{"older_than", "3600"}})["messages"].size(), 0U);
  EXPECT_EQ(get("/messages", {{"tenant", "x"}})["messages"].size(), 0U);
  EXPECT_EQ(refusal("GET", "/messages", {{"older_than", "1h"}}),
            "400 older_than is not a number of seconds");
  EXPECT_EQ(refusal("GET", "/messages", {{"tenant", ""}}), "400 tenant is empty");
  EXPECT_EQ(refusal("GET", "/messages", {{"from", "x"}}), "400 'x' is not a message id");
}

TEST_F(RoutesTest, WhatNamesNothingSelectsNothing) {
  filled_.add("a@s.example", {{"b", "one.example"}});
  const std::string nothing =
      "400 say which: id, domain, sender, tenant, campaign, older_than, or all=1";
  EXPECT_EQ(refusal("DELETE", "/messages"), nothing);
  EXPECT_EQ(refusal("POST", "/messages/retry"), nothing);
  EXPECT_EQ(refusal("DELETE", "/messages", {{"domian", "x"}, {"all", "1"}}),
            "400 unknown parameter 'domian'");
  EXPECT_EQ(refusal("DELETE", "/messages", {{"domain", "x.example"}, {"all", "1"}}),
            "400 all=1 goes with no other parameter");
  EXPECT_EQ(refusal("DELETE", "/messages", {{"all", "0"}}), "400 all can only be 1");
  EXPECT_EQ(refusal("DELETE", "/messages", {{"id", "1"}, {"id", "2"}}), "400 parameter 'id' twice");
  EXPECT_THAT(refusal("DELETE", "/messages", {{"domain", ""}}), HasSubstr("400 domain: "));
  EXPECT_THAT(refusal("DELETE", "/messages", {{"sender", ""}}), HasSubstr("400 sender: "));
  EXPECT_EQ(refusal("DELETE", "/messages", {{"id", ""}}), "400 '' is not a message id");
  EXPECT_EQ(get("/queue")["totals"]["messages"], 1);
}

TEST_F(RoutesTest, BadParametersAreRefused) {
  EXPECT_EQ(refusal("GET", "/queue", {{"limit", "0"}}),
            "400 limit is not a number from 1 to 10000");
  EXPECT_EQ(refusal("GET", "/queue", {{"limit", "10001"}}),
            "400 limit is not a number from 1 to 10000");
  EXPECT_EQ(refusal("GET", "/messages", {{"limit", "x"}}),
            "400 limit is not a number from 1 to 10000");
  EXPECT_EQ(refusal("GET", "/messages", {{"all", "1"}}), "400 unknown parameter 'all'");
  EXPECT_EQ(refusal("GET", "/messages/xyz\n"), "400 'xyz\\x0a' is not a message id");
}

TEST_F(RoutesTest, UnknownPathsAndMethods) {
  EXPECT_EQ(refusal("GET", "/"), "404 there is nothing at this path");
  EXPECT_EQ(refusal("GET", "/queue/"), "404 there is nothing at this path");
  EXPECT_EQ(refusal("GET", "/messages/"), "404 there is nothing at this path");
  EXPECT_EQ(refusal("POST", "/queue"), "405 this path does not know this method");
  EXPECT_EQ(ask("PUT", "/messages").allow, "GET, DELETE");
  EXPECT_EQ(ask("GET", "/messages/retry").allow, "POST");
  EXPECT_EQ(ask("HEAD", "/healthz").code, 200);
}

TEST_F(RoutesTest, AWebPageCannotChangeAnything) {
  const Request request{"POST", "/messages/retry", {{"all", "1"}}, "", true};
  EXPECT_EQ(routes_.answer(request).code, 403);
  EXPECT_EQ(routes_.answer({"GET", "/healthz", {}, "", true}).code, 200);
}

TEST_F(RoutesTest, AfterAStopChangesAreNotWaitedFor) {
  filled_.add("a@s.example", {{"b", "one.example"}});
  routes_.stop();
  const Response response = ask("POST", "/messages/retry", {{"all", "1"}});
  // The queue may have been quicker than the look at it.
  EXPECT_TRUE(response.code == 503 || response.code == 200) << response.body;
}

class RoutesWithToken : public RoutesTest {
 protected:
  int code_with(const std::string& authorization) {
    return guarded_.answer({"GET", "/healthz", {}, authorization, false}).code;
  }

  Routes guarded_{{{*IpAddress::parse("192.0.2.1"), 1}, true, "0123456789abcdef"},
                  *filled_.queue,
                  filled_.metrics,
                  filled_.clock};
};

TEST_F(RoutesWithToken, OnlyTheTokenOpens) {
  EXPECT_EQ(code_with("Bearer 0123456789abcdef"), 200);
  EXPECT_EQ(code_with("bearer 0123456789abcdef"), 200);
  EXPECT_EQ(code_with(""), 401);
  EXPECT_EQ(code_with("Bearer "), 401);
  EXPECT_EQ(code_with("Bearer 0123456789abcde"), 401);
  EXPECT_EQ(code_with("Bearer 0123456789abcdefg"), 401);
  EXPECT_EQ(code_with("Bearer 0123456789abcdeX"), 401);
  EXPECT_EQ(code_with("Basic 0123456789abcdef"), 401);
  EXPECT_EQ(code_with("0123456789abcdef"), 401);
}

TEST_F(RoutesWithToken, WithoutItNotEvenAPathIsTold) {
  EXPECT_EQ(guarded_.answer({"GET", "/nothing", {}, "", false}).code, 401);
  EXPECT_EQ(guarded_.answer({"GET", "/metrics", {}, "", false}).code, 401);
}

}  // namespace
}  // namespace postrider::admin
