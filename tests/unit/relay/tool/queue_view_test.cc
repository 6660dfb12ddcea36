#include "relay/tool/queue_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postrider::tool {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string totals(int messages, int queues) {
  return R"("totals":{"messages":)" + std::to_string(messages) +
         R"(,"bytes":4200,"deliveries":4,"queues":)" + std::to_string(queues) +
         R"(,"in_progress":1,"held":3,"waiting_for_commit":0})";
}

std::string queue(const std::string& domain, const std::string& next,
                  const std::string& tenant = "", int held = 0) {
  return R"({"domain":")" + domain + R"(","tenant":")" + tenant +
         R"(","campaign":"","band":"normal","deliveries":3,"held":)" + std::to_string(held) +
         R"(,"bytes":4200,"suspended":false,"next_attempt":null,)" +
         R"("next_attempt_in_seconds":)" + next + "}";
}

TEST(ShowQueues, TotalsAndATable) {
  const auto text = show_queues("{" + totals(3, 2) + R"(,"suspended":[],"queues":[)" +
                                queue("example.com", "125") + "," + queue("b.example", "null") +
                                "," + queue("c.example", "null", "", 3) + "," +
                                queue("d.example", "125", "", 2) + "]}");
  ASSERT_TRUE(text);
  EXPECT_EQ(*text,
            "3 messages (4.1 KiB), 4 deliveries to go in 2 queues; 1 in progress, 3 held\n"
            "\n"
            "DOMAIN       DELIVERIES     SIZE  NEXT ATTEMPT\n"
            "example.com           3  4.1 KiB  in 2m\n"
            "b.example             3  4.1 KiB  in progress\n"
            "c.example             3  4.1 KiB  held\n"
            "d.example             3  4.1 KiB  in 2m, 2 held\n");
}

TEST(ShowQueues, SaysWhatWasLeftOut) {
  const auto text = show_queues("{" + totals(3, 12) + R"(,"suspended":[],"queues":[)" +
                                queue("example.com", "0") + "]}");
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("\n... and 11 smaller queues; more with --limit N\n"));
  EXPECT_THAT(*text, HasSubstr("  now\n"));
}

TEST(ShowQueues, TenantsOnlyWhereThereAreSome) {
  const std::string plain = *show_queues("{" + totals(3, 1) + R"(,"suspended":[],"queues":[)" +
                                         queue("a.example", "0") + "]}");
  EXPECT_THAT(plain, Not(HasSubstr("TENANT")));
  const std::string shared = *show_queues("{" + totals(3, 1) + R"(,"suspended":[],"queues":[)" +
                                          queue("a.example", "0", "acme") + "]}");
  EXPECT_THAT(shared, HasSubstr("DOMAIN     TENANT  DELIVERIES"));
  EXPECT_THAT(shared, HasSubstr("a.example  acme"));
}

TEST(ShowQueues, SuspensionsAlsoWithoutMail) {
  EXPECT_EQ(*show_queues(
                "{" + totals(0, 0) +
                R"(,"suspended":[{"domain":"a.example","tenant":"","campaign":"","reason":"why",)" +
                R"("ends_in_seconds":null},{"domain":"","tenant":"t","campaign":"c","reason":"",)" +
                R"("ends_in_seconds":125},{"domain":"","tenant":"","campaign":"","reason":"",)" +
                R"("ends_in_seconds":null}],"queues":[]})"),
            "suspended: domain a.example (why)\n"
            "suspended: tenant t campaign c, ends in 2m\n"
            "suspended: everything\nthe queue is empty\n");
}

TEST(ShowQueues, AnEmptyQueue) {
  EXPECT_EQ(*show_queues("{" + totals(0, 0) + R"(,"suspended":[],"queues":[]})"),
            "the queue is empty\n");
}

std::string delivery(const std::string& recipients, const std::string& status,
                     bool in_progress = false) {
  return R"({"number":0,"domain":"one.example","recipients":[)" + recipients +
         R"(],"attempts":2,"in_progress":)" + (in_progress ? "true" : "false") +
         R"(,"held":false)" +
         R"(,"next_attempt":"2026-11-21T22:17:03.123Z","next_attempt_in_seconds":120,)" +
         R"("last_status":")" + status + R"("})";
}

std::string message(const std::string& sender, const std::string& deliveries) {
  return R"({"id":"01KAMV8R2T7Z5W3N9Q4X6Y1B0C","sender":")" + sender +
         R"(","user":"app","tenant":"","campaign":"","envid":"","size":4200,)" +
         R"("arrived":"2026-11-21T22:15:03.123Z","age_seconds":192,)" +
         R"("expires":"2026-11-26T22:15:03.123Z","expires_in_seconds":431800,"deliveries":[)" +
         deliveries + "]}";
}

TEST(ShowMessages, ALineForEachDelivery) {
  const auto text = show_messages(
      R"({"next":null,"messages":[)" +
      message("a@s.example", delivery(R"("b@one.example","c@one.example")", "451 4.7.1 try later") +
                                 "," + delivery(R"("d@one.example")", "", true)) +
      "]}");
  ASSERT_TRUE(text) << text.error().text();
  EXPECT_EQ(*text,
            "ID                            AGE     SIZE  FROM         TO                TRIES  "
            "NEXT         LAST STATUS\n"
            "01KAMV8R2T7Z5W3N9Q4X6Y1B0C  3m12s  4.1 KiB  a@s.example  b@one.example +1      2  "
            "in 2m        451 4.7.1 try later\n"
            "                                                         d@one.example         2  "
            "in progress\n");
}

TEST(ShowMessages, SaysThatThereAreMoreOrNone) {
  EXPECT_EQ(*show_messages(R"({"next":null,"messages":[]})"), "no such message in the queue\n");
  EXPECT_THAT(*show_messages(R"({"next":"01KAMV8R2T7Z5W3N9Q4X6Y1B0C","messages":[)" +
                             message("", delivery("", "")) + "]}"),
              HasSubstr("... and perhaps more"));
}

TEST(ShowMessages, ForeignTextCannotActOnTheTerminal) {
  const std::string text = *show_messages(
      R"({"next":null,"messages":[)" +
      message(R"(\u001b[2Ja@s.example)", delivery(R"("ü@one.example")", R"(550 \u0007bell)")) +
      "]}");
  EXPECT_THAT(text, HasSubstr("\\x1b[2Ja@s.example"));
  EXPECT_THAT(text, HasSubstr("\\xc3\\xbc@one.example"));
  EXPECT_THAT(text, HasSubstr("550 \\x07bell"));
}

TEST(ShowMessage, WhatTheClientAskedFor) {
  std::string one = message("", delivery(R"("b@one.example")", ""));
  one.insert(1, R"("release":"2026-11-21T23:15:03.123Z","release_in_seconds":3600,"priority":-4,)");
  const auto text = show_message(one);
  ASSERT_TRUE(text) << text.error().text();
  EXPECT_THAT(*text, HasSubstr("  release  2026-11-21T23:15:03.123Z, in 1h\n"));
  EXPECT_THAT(*text, HasSubstr("  priority -4\n"));
  one = message("", delivery(R"("b@one.example")", ""));
  one.insert(1, R"("release":null,"release_in_seconds":null,"priority":0,)");
  EXPECT_THAT(*show_message(one), Not(HasSubstr("release")));
  EXPECT_THAT(*show_message(one), Not(HasSubstr("priority")));
}

TEST(ShowMessage, EverythingAboutOne) {
  const auto text =
      show_message(message("", delivery(R"("b@one.example")", "451 4.7.1 try later")));
  ASSERT_TRUE(text) << text.error().text();
  EXPECT_EQ(*text,
            "message 01KAMV8R2T7Z5W3N9Q4X6Y1B0C\n"
            "  from     <>, by user app\n"
            "  size     4.1 KiB\n"
            "  arrived  2026-11-21T22:15:03.123Z, 3m12s ago\n"
            "  expires  2026-11-26T22:15:03.123Z, in 4d\n"
            "\n"
            "one.example: 2 attempts so far, next in 2m\n"
            "  to    b@one.example\n"
            "  last  451 4.7.1 try later\n");
}

TEST(View, AnswersOfOtherProgramsAreNotTrusted) {
  for (const char* body : {"", "hello", "{}", "[]", "null", R"({"queues":5,"totals":[]})",
                           R"({"messages":[{}],"next":null})", "{\"messages\":"}) {
    EXPECT_FALSE(show_queues(body)) << body;
    EXPECT_FALSE(show_messages(body)) << body;
    EXPECT_FALSE(show_message(body)) << body;
    EXPECT_FALSE(changed_messages(body)) << body;
    EXPECT_EQ(error_text(body), "") << body;
  }
  EXPECT_THAT(show_queues("{}").error().text(),
              HasSubstr("that is not an answer of a postrider relay"));
}

TEST(View, CountsAndErrors) {
  EXPECT_EQ(*changed_messages(R"({"messages":12})"), 12U);
  EXPECT_EQ(error_text(R"({"error":"no\u001b"})"), "no\\x1b");
}

}  // namespace
}  // namespace postrider::tool
