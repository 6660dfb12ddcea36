// A connection whose client sends a text that is written to the queue while it arrives.
#include <gmock/gmock.h>
#include <memory>
#include <string>

#include "relay/submission/connection.h"
#include "tests/unit/relay/submission/submission_fixture.h"

namespace postrider::submission {
namespace {

using metrics::Metric;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Time that the test moves.
class ShiftedClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return system_.now() + shift; }

  [[nodiscard]] WallTime wall() const override { return system_.wall(); }

  Duration shift{0};

 private:
  SystemClock system_;
};

class LargeTextTest : public SubmissionTest {
 protected:
  // Up to the text, whose beginning is sent; its writing waits until release_store().
  std::unique_ptr<Client> stalled(const std::string& text) {
    auto client = greeted();
    hold_store();
    say(*client, "MAIL FROM:<a@from.example>");
    say(*client, "RCPT TO:<b@to.example>");
    EXPECT_THAT(say(*client, "DATA"), StartsWith("354 "));
    client->send(text);
    EXPECT_TRUE(run_until_held());
    return client;
  }

  // Two parts and what a read brings.
  static constexpr std::size_t kHeldMax = 768U << 10;
};

TEST_F(LargeTextTest, ReadsNoFasterThanItIsWritten) {
  open();
  const std::string text = large_text(20'000'000);
  auto client = stalled(text + ".\r\nMAIL FROM:<c@from.example>\r\n");
  ASSERT_TRUE(run_until([&] { return shared_->texts.octets() >= 2 * BodyWriter::kPartSize; }));
  turn(50);
  EXPECT_LE(shared_->texts.octets(), kHeldMax);
  EXPECT_EQ(client->text, "");
  release_store();
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
  EXPECT_EQ(reply(*client), "250 2.1.0 Ok\r\n");  // what stood behind the text
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_TRUE(text_of(leases_.at(0)).ends_with(text));
  EXPECT_EQ(shared_->texts.octets(), 0U);
  EXPECT_THAT(metrics_.expose(), Not(HasSubstr("postrider_text_part_seconds_count 0")));
}

TEST_F(LargeTextTest, ItsEndMayComeWhileItIsWritten) {
  open();
  const std::string text = large_text(300'000);
  auto client = stalled(text + ".\r\n");
  client->stream->finish();
  turn(20);
  EXPECT_EQ(client->text, "");
  release_store();
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_TRUE(text_of(leases_.at(0)).ends_with(text));
  EXPECT_TRUE(run_until_empty());
}

TEST_F(LargeTextTest, ComesInChunksToo) {
  open();
  auto client = greeted();
  say(*client, "MAIL FROM:<a@from.example>");
  say(*client, "RCPT TO:<b@to.example>");
  const std::string text = large_text(400'000);
  for (int i = 0; i < 5; ++i) {
    client->send("BDAT " + std::to_string(text.size()) + (i == 4 ? " LAST\r\n" : "\r\n") + text);
  }
  for (int i = 0; i < 4; ++i) EXPECT_THAT(reply(*client), HasSubstr("octets received"));
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 Ok: queued"));
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_TRUE(text_of(leases_.at(0)).ends_with(text + text + text + text + text));
}

TEST_F(LargeTextTest, ChunksThatAreResetAreErased) {
  open();
  auto client = greeted();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(say(*client, "MAIL FROM:<a@from.example>"), "250 2.1.0 Ok\r\n");
    EXPECT_EQ(say(*client, "RCPT TO:<b@to.example>"), "250 2.1.5 Ok\r\n");
    const std::string text = large_text(1'000'000);
    client->send("BDAT " + std::to_string(text.size()) + "\r\n" + text);
    EXPECT_THAT(reply(*client), HasSubstr("octets received"));
    EXPECT_EQ(say(*client, "RSET"), "250 2.0.0 Ok\r\n");
  }
  EXPECT_TRUE(run_until_erased());
  EXPECT_EQ(shared_->texts.octets(), 0U);
}

TEST_F(LargeTextTest, OfAClientThatWentAwayNothingIsLeft) {
  open();
  auto client = stalled(large_text(2'000'000));
  client->stream.reset();
  release_store();
  EXPECT_TRUE(run_until_empty());
  EXPECT_TRUE(run_until_erased());
  EXPECT_EQ(shared_->texts.octets(), 0U);
  EXPECT_EQ(queue_->stats().messages, 0U);
}

TEST_F(LargeTextTest, OfASessionThatIsCutOffNothingIsLeft) {
  open();
  auto client = stalled(large_text(300'000) + ".\r\n");
  turn(20);
  receiver_->cut_off();
  release_store();
  EXPECT_TRUE(run_until_erased());
  EXPECT_EQ(shared_->texts.octets(), 0U);
}

TEST_F(LargeTextTest, ARefusalIsSaidAtItsEnd) {
  open();
  auto client = greeted();
  store_.set_fault([](std::string_view call, std::uint64_t) { return call != "get"; });
  send_message(*client, large_text(3'000'000));
  EXPECT_THAT(reply(*client), StartsWith("451 4.3.0 "));
  EXPECT_EQ(counted(Metric::kRepliesRefused, "commit_refused"), 1U);
  EXPECT_EQ(counted(Metric::kMessagesAccepted), 0U);
}

TEST_F(LargeTextTest, WhatTheQueueHasNoPlaceForIsErased) {
  queue_options_.bytes_max = 1'000'000;
  open();
  auto client = greeted();
  send_message(*client, large_text(2'000'000));
  EXPECT_EQ(reply(*client),
            "452 4.3.1 The queue holds as much text as it may; try again later\r\n");
  EXPECT_TRUE(run_until_erased());
  send_message(*client, large_text(500'000));
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
}

// The client is not late while we do not read.
TEST_F(LargeTextTest, TheStoresTimeIsNotTheClients) {
  listener_.session.data_deadline = Seconds(1);
  open();
  auto client = stalled(large_text(1'000'000) + ".\r\n");
  ASSERT_TRUE(run_until([&] { return shared_->texts.octets() >= 2 * BodyWriter::kPartSize; }));
  const TimePoint late = clock_.now() + Milliseconds(1200);
  ASSERT_TRUE(run_until([&] { return clock_.now() > late; }));
  release_store();
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
}

TEST_F(LargeTextTest, WhatIsNotWrittenInTimeIsGivenUp) {
  open();
  ShiftedClock clock;
  clock.shift = -BodyWriter::kPartDeadline;
  receiver_.reset();
  shared_.reset(new Shared{options_, *queue_, *authenticator_, *signer_, clock, metrics_,
                           std::chrono::hours(24)});
  receiver_ = std::make_unique<Receiver>(*loop_, *shared_);
  auto client = stalled(large_text(2'000'000) + ".\r\n");
  ASSERT_TRUE(run_until([&] { return shared_->texts.octets() >= 2 * BodyWriter::kPartSize; }));
  EXPECT_EQ(client->text, "");
  clock.shift = Duration(0);
  EXPECT_THAT(reply(*client), StartsWith("451 4.3.2 "));
  EXPECT_EQ(counted(Metric::kRepliesRefused, "commit_refused"), 1U);
  release_store();
  EXPECT_TRUE(run_until_erased());
  receiver_.reset();
}

}  // namespace
}  // namespace postrider::submission
