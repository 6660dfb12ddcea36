#include "relay/submission/receiver.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/submission/submission_fixture.h"

namespace postrider::submission {
namespace {

using ::testing::StartsWith;

using ReceiverTest = SubmissionTest;

TEST_F(ReceiverTest, CountsSessionsFromTheMomentTheyAreHandedOver) {
  open();
  auto one = connect();
  auto other = connect();
  EXPECT_EQ(receiver_->sessions(), 2U);  // before the loop has turned
  reply(*one);
  EXPECT_EQ(receiver_->sessions(), 2U);
  EXPECT_EQ(listener_.open.value(), 2);
}

TEST_F(ReceiverTest, IsDoneAtOnceWithoutSessions) {
  open();
  bool done = false;
  receiver_->shut_down([&] { done = true; });
  EXPECT_TRUE(done);
}

TEST_F(ReceiverTest, ShutDownEndsIdleSessionsInWords) {
  open();
  auto one = greeted();
  auto other = greeted();
  int done = 0;
  receiver_->shut_down([&] { ++done; });
  for (Client* client : {one.get(), other.get()}) {
    EXPECT_THAT(reply(*client), StartsWith("421 4.3.2 "));
    EXPECT_EQ(done, 0);
    client->stream.reset();
  }
  EXPECT_TRUE(run_until([&] { return done == 1; }));
  EXPECT_EQ(receiver_->sessions(), 0U);
}

TEST_F(ReceiverTest, ShutDownAnswersAPendingCommitFirst) {
  open();
  auto client = greeted();
  hold_store();
  send_message(*client, "text\r\n");
  ASSERT_TRUE(run_until_held());
  bool done = false;
  receiver_->shut_down([&] { done = true; });
  turn(10);
  EXPECT_EQ(client->text, "");
  release_store();
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
  EXPECT_THAT(reply(*client), StartsWith("421 4.3.2 "));
  client->stream.reset();
  EXPECT_TRUE(run_until([&] { return done; }));
}

TEST_F(ReceiverTest, ClosesWhatArrivesAfterShutDown) {
  open();
  receiver_->shut_down([] {});
  auto [ours, theirs] = event::connected_pair();
  auto client = client_on(std::move(ours));
  Gate& gate = shared_->gate;
  const Endpoint peer = client->stream->peer();
  receiver_->adopt({std::move(theirs), peer, &listener_, gate.admit(peer, listener_)});
  EXPECT_EQ(gate.open(), 1U);
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  EXPECT_EQ(client->text, "");
  EXPECT_EQ(receiver_->sessions(), 0U);
  EXPECT_EQ(gate.open(), 0U);
}

TEST_F(ReceiverTest, CutOffClosesEverySessionNow) {
  open();
  auto one = greeted();
  auto other = greeted();
  bool done = false;
  receiver_->shut_down([&] { done = true; });
  receiver_->cut_off();
  EXPECT_TRUE(done);
  EXPECT_EQ(receiver_->sessions(), 0U);
  EXPECT_TRUE(run_until([&] { return one->ended && other->ended; }));
}

TEST_F(ReceiverTest, AnswersThatComeTooLateFindNobody) {
  use_submission();
  open();
  auto client = secured();
  client->send(plain_login("secret") + "\r\n");
  turn(3);
  receiver_->cut_off();
  authenticator_.reset();  // every check has been answered by now
  turn(10);
  EXPECT_EQ(receiver_->sessions(), 0U);
}

TEST_F(ReceiverTest, TheQueueMayAnswerWhenTheReceiverHasGone) {
  open();
  auto client = greeted();
  hold_store();
  send_message(*client, "text\r\n");
  ASSERT_TRUE(run_until_held());
  receiver_.reset();
  // The loop has ended for good: what is posted is dropped with it.
  release_store();
  stop_queue();
  EXPECT_EQ(queue_->stats().messages, 1U);
}

}  // namespace
}  // namespace postrider::submission
