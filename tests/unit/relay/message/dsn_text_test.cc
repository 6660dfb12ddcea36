#include "relay/message/dsn_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/relay/message/dsn_fixture.h"

namespace postrider::message {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using DsnTextTest = DsnFixture;

TEST_F(DsnTextTest, SubjectFollowsTheActions) {
  add("a", DsnAction::kDelayed, {451, {}, "later"});
  EXPECT_THAT(header(), HasSubstr("Subject: Your message is delayed\r\n"));
  add("b", DsnAction::kDelivered, {250, {}, "ok"});
  EXPECT_THAT(header(), HasSubstr("Subject: What became of your message\r\n"));
  facts_.recipients.erase(facts_.recipients.begin());
  EXPECT_THAT(header(), HasSubstr("Subject: Your message was delivered\r\n"));
  facts_.recipients[0].action = DsnAction::kRelayed;
  EXPECT_THAT(header(), HasSubstr("Subject: Your message was passed on\r\n"));
}

TEST_F(DsnTextTest, TextTellsWhatToDo) {
  add_failed();
  EXPECT_THAT(text(), AllOf(HasSubstr("could not be delivered"), HasSubstr("<bob@there.example>"),
                            HasSubstr("The mail host mx.there.example answered:"),
                            HasSubstr("550 5.1.1 No such user"), HasSubstr("Check the spelling"),
                            HasSubstr("0011aabb")));
}

TEST_F(DsnTextTest, TextSuitsTheKindOfFailure) {
  const std::pair<Status, const char*> cases[] = {
      {{552, {5, 2, 2}, "x"}, "mailbox is full"},   {{552, {5, 3, 4}, "x"}, "larger than"},
      {{550, {5, 7, 26}, "x"}, "by its own rules"}, {{451, {4, 4, 1}, "x"}, "again and again"},
      {{554, {5, 4, 6}, "x"}, "in circles"},        {{550, {5, 9, 9}, "x"}, "The answer above"},
      {{554, {}, "x"}, "The answer above"},         {{556, {5, 1, 10}, "x"}, "no mail at all"}};
  for (const auto& [status, words] : cases) {
    facts_.recipients.clear();
    add("bob", DsnAction::kFailed, status);
    EXPECT_THAT(joined(text()), HasSubstr(words));
  }
}

TEST_F(DsnTextTest, TextLinesAreShort) {
  add_failed();
  add("c", DsnAction::kDelayed, {451, {4, 7, 1}, std::string(400, 'w')});
  std::string all = text();
  while (!all.empty()) {
    const std::string line = all.substr(0, all.find("\r\n"));
    if (!std::string_view(line).ends_with("www")) {
      EXPECT_LE(line.size(), 76U) << line;
    }
    all.erase(0, line.size() + 2);
  }
}

}  // namespace
}  // namespace postrider::message
