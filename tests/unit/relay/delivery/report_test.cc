#include "relay/delivery/report.h"

#include <gmock/gmock.h>

#include "queue/keys.h"
#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {
namespace {

using message::Stage;
using message::Status;
using metrics::Metric;
using smtp::RecipientResult;
using ::testing::HasSubstr;
using ::testing::Not;

const Status kTaken{250, {2, 0, 0}, "Ok"};
const Status kNobody{550, {5, 1, 1}, "No such user"};
const Status kBusy{451, {4, 3, 0}, "Try later"};

class ReportTest : public DeliveryTest {
 protected:
  void SetUp() override { open(); }

  void end(queue::Lease lease, std::vector<RecipientResult> results, AttemptFacts facts = {}) {
    conclude(*shared_, *loop_, std::move(lease), std::move(results), std::move(facts));
  }

  static AttemptFacts spoken_to_mx() {
    AttemptFacts facts;
    facts.site = "mx.example";
    facts.host = "mx1.mx.example";
    facts.ip = "198.51.100.1";
    return facts;
  }

  // The notification that was made: its text, when its own lease comes.
  queue::Lease take_report() {
    queue::Lease report = take_lease();
    EXPECT_TRUE(!report.valid() || report.message().envelope.sender.is_null());
    return report;
  }

  bool run_until_ended() {
    return run_until([&] {
      const queue::Stats stats = queue_->stats();
      return stats.leases == 0 && stats.commit_waiting == 0;
    });
  }
};

TEST_F(ReportTest, ADeliveredMessageIsGone) {
  end(a_lease(), {{Stage::kEndOfData, kTaken}}, spoken_to_mx());
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(events_of("delivered"), 1U);
  EXPECT_THAT(events(), HasSubstr(R"("host":"mx1.mx.example")"));
  EXPECT_THAT(events(), HasSubstr(R"("attempts":1)"));
  EXPECT_EQ(counted(Metric::kDeliveriesAttempted), 1U);
  EXPECT_EQ(counted(Metric::kRecipientsDelivered), 1U);
  EXPECT_EQ(counted(Metric::kBytesDelivered), Mail().text.size());
}

TEST_F(ReportTest, ABounceComesWithAReport) {
  end(a_lease(), {{Stage::kRecipient, kNobody}}, spoken_to_mx());
  const queue::Lease report = take_report();
  ASSERT_TRUE(report.valid());
  EXPECT_EQ(report.recipients().at(0).address.to_string(), "a@from.example");
  const std::string text = report.body()->to_string();
  EXPECT_THAT(text, HasSubstr("550 5.1.1 No such user"));
  EXPECT_THAT(text, HasSubstr("mx1.mx.example"));
  EXPECT_THAT(text, HasSubstr("b@to.example"));
  EXPECT_THAT(text, HasSubstr("Subject: x"));  // of the original
  EXPECT_EQ(queue_->stats().messages, 1U);     // the report alone
  EXPECT_THAT(events(), HasSubstr(R"("report":")" + report.message().id.to_string()));
  EXPECT_EQ(events_of("bounced"), 1U);
  EXPECT_EQ(events_of("accepted"), 1U);
  EXPECT_EQ(counted(Metric::kRecipientsBounced, "recipient"), 1U);
  EXPECT_EQ(counted(Metric::kReportsSent, "failed"), 1U);
}

TEST_F(ReportTest, NobodyIsToldWhereTheSenderIsNull) {
  end(lease_of({.sender = ""}), {{Stage::kRecipient, kNobody}});
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(counted(Metric::kReportsSent, "failed"), 0U);
}

TEST_F(ReportTest, NobodyIsToldWhoAskedNotTo) {
  end(lease_of({.notify = message::kNotifyNever}), {{Stage::kRecipient, kNobody}});
  ASSERT_TRUE(run_until_queue_holds(0));
  end(lease_of({.notify = message::kNotifySuccess}), {{Stage::kRecipient, kNobody}});
  ASSERT_TRUE(run_until_queue_holds(0));
}

TEST_F(ReportTest, SuccessIsReportedWhereTheNextHopCannot) {
  end(lease_of({.notify = message::kNotifySuccess}), {{Stage::kEndOfData, kTaken}});
  const queue::Lease report = take_report();
  ASSERT_TRUE(report.valid());
  EXPECT_THAT(report.body()->to_string(), HasSubstr("Action: relayed"));
  EXPECT_EQ(counted(Metric::kReportsSent, "relayed"), 1U);
}

TEST_F(ReportTest, SuccessIsDeliveryWhereTheNextHopIsAMailStore) {
  AttemptFacts facts;
  facts.final_delivery = true;
  end(lease_of({.notify = message::kNotifySuccess}), {{Stage::kEndOfData, kTaken}}, facts);
  const queue::Lease report = take_report();
  ASSERT_TRUE(report.valid());
  EXPECT_THAT(report.body()->to_string(), HasSubstr("Action: delivered"));
  EXPECT_EQ(counted(Metric::kReportsSent, "delivered"), 1U);
}

TEST_F(ReportTest, AndNotWhereItTookThatOver) {
  AttemptFacts facts;
  facts.dsn_passed = true;
  end(lease_of({.notify = message::kNotifySuccess}), {{Stage::kEndOfData, kTaken}}, facts);
  ASSERT_TRUE(run_until_queue_holds(0));
}

TEST_F(ReportTest, AFailureThatMayPassIsTriedAgain) {
  queue::Lease lease = a_lease();
  const queue::MessageId id = lease.message().id;
  const WallTime before = clock_.wall();
  end(std::move(lease), {{Stage::kMail, kBusy}});
  ASSERT_TRUE(run_until_ended());
  const auto found = queue_->message(id);
  ASSERT_TRUE(found && *found);
  const queue::DeliverySummary& delivery = (*found)->deliveries.at(0);
  EXPECT_EQ(delivery.attempts, 1U);
  EXPECT_EQ(delivery.last_status, kBusy);
  EXPECT_GE(delivery.due, before + options_.retry.first_interval);
  EXPECT_EQ(events_of("deferred"), 1U);
  EXPECT_THAT(events(), HasSubstr(R"("next":")"));
  EXPECT_EQ(counted(Metric::kRecipientsDeferred, "mail"), 1U);
}

TEST_F(ReportTest, WithoutAReplyItSaysWhatHappened) {
  end(a_lease(), {{Stage::kEndOfData, {0, {}, "the peer closed the connection"}}});
  ASSERT_TRUE(run_until_ended());
  EXPECT_THAT(events(), HasSubstr("the peer closed the connection"));
  EXPECT_THAT(events(), HasSubstr("4.4."));
}

TEST_F(ReportTest, AfterItsLifetimeItIsGivenUp) {
  queue::Lease lease = lease_of({.lifetime = Milliseconds(0)});
  end(std::move(lease), {{Stage::kConnect, {0, {}, "connection refused"}}});
  const queue::Lease report = take_report();
  ASSERT_TRUE(report.valid());
  EXPECT_THAT(report.body()->to_string(), HasSubstr("tried again and again"));
  EXPECT_EQ(events_of("expired"), 1U);
  EXPECT_EQ(counted(Metric::kRecipientsExpired), 1U);
}

TEST_F(ReportTest, EachRecipientHasItsOwnFate) {
  queue::Lease lease = lease_of({.to = {"one@to.example", "two@to.example", "three@to.example"}});
  const queue::MessageId id = lease.message().id;
  end(std::move(lease),
      {{Stage::kEndOfData, kTaken}, {Stage::kRecipient, kNobody}, {Stage::kRecipient, kBusy}});
  const queue::Lease report = take_report();
  ASSERT_TRUE(report.valid());
  EXPECT_THAT(report.body()->to_string(), HasSubstr("two@to.example"));
  EXPECT_THAT(report.body()->to_string(), Not(HasSubstr("Final-Recipient: rfc822;one@")));
  const auto found = queue_->message(id);
  ASSERT_TRUE(found && *found);
  ASSERT_EQ((*found)->deliveries.size(), 1U);
  ASSERT_EQ((*found)->deliveries[0].recipients.size(), 1U);
  EXPECT_EQ((*found)->deliveries[0].recipients[0].address.local, "three");
  EXPECT_EQ(events_of("delivered") + events_of("bounced") + events_of("deferred"), 3U);
}

TEST_F(ReportTest, OneVerdictForAll) {
  conclude_all(*shared_, *loop_, lease_of({.sender = "", .to = {"b@to.example", "c@to.example"}}),
               Stage::kRoute, {550, {5, 1, 2}, "The domain does not exist"}, {});
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(counted(Metric::kRecipientsBounced, "route"), 2U);
}

TEST_F(ReportTest, AServerBehindASocketHasTheNameOfThisMachine) {
  AttemptFacts facts;
  facts.host = "unix:/run/lmtp";
  end(a_lease(), {{Stage::kRecipient, kNobody}}, facts);
  const queue::Lease report = take_report();
  ASSERT_TRUE(report.valid());
  EXPECT_THAT(report.body()->to_string(), HasSubstr("Remote-MTA: dns; relay.example\r\n"));
}

TEST_F(ReportTest, AHostMaySayWhenToComeAgain) {
  queue::Lease lease = lease_of({.to = {"a@to.example", "b@to.example"}});
  const queue::MessageId id = lease.message().id;
  const WallTime before = clock_.wall();
  end(std::move(lease),
      {{Stage::kRecipient, {450, {4, 7, 1}, "Greylisted, try again in 20 minutes"}},
       {Stage::kRecipient, kBusy}},
      spoken_to_mx());
  ASSERT_TRUE(run_until_ended());
  const auto found = queue_->message(id);
  ASSERT_TRUE(found && *found);
  const WallTime due = (*found)->deliveries.at(0).due;
  EXPECT_GE(due, before + std::chrono::minutes(20));
  EXPECT_LE(due, clock_.wall() + std::chrono::minutes(21));
}

TEST_F(ReportTest, PuttingOffIsNoAttempt) {
  queue::Lease lease = a_lease();
  const queue::MessageId id = lease.message().id;
  const WallTime until = clock_.wall() + std::chrono::minutes(3);
  put_off(*shared_, *loop_, std::move(lease), until, kBusy);
  ASSERT_TRUE(run_until_ended());
  const auto found = queue_->message(id);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->deliveries.at(0).attempts, 0U);
  EXPECT_EQ((*found)->deliveries.at(0).due, until);
  EXPECT_EQ(events(), "");
  EXPECT_EQ(counted(Metric::kDeliveriesAttempted), 0U);
}

// --- delays

class DelayTest : public ReportTest {
 protected:
  DelayTest() {
    options_.retry.delay_notice = Milliseconds(1);
    options_.retry.first_interval = Milliseconds(1);
  }

  // After the time of the notice.
  queue::Lease late_lease(const Mail& mail) {
    queue::Lease lease = lease_of(mail);
    const WallTime late = lease.message().arrived + Milliseconds(2);
    EXPECT_TRUE(run_until([&] { return clock_.wall() >= late; }));
    return lease;
  }

  // The next lease that is of the message itself.
  queue::Lease again() {
    queue::Lease lease = take_lease();
    while (lease.valid() && lease.message().envelope.sender.is_null()) {
      reports_.push_back(std::move(lease));
      lease = take_lease();
    }
    return lease;
  }

  ~DelayTest() override { reports_.clear(); }

  std::vector<queue::Lease> reports_;
};

TEST_F(DelayTest, IsToldOnceADelivery) {
  end(late_lease({}), {{Stage::kMail, kBusy}}, spoken_to_mx());
  queue::Lease second = again();
  EXPECT_TRUE(second.delay_reported());
  end(std::move(second), {{Stage::kMail, kBusy}});
  const queue::Lease third = again();
  EXPECT_EQ(third.attempts(), 2U);
  ASSERT_EQ(reports_.size(), 1U);
  const std::string text = reports_[0].body()->to_string();
  EXPECT_THAT(text, HasSubstr("Action: delayed"));
  EXPECT_THAT(text, HasSubstr("Will-Retry-Until: "));
  EXPECT_THAT(text, HasSubstr("Status: 4.3.0"));
  EXPECT_EQ(counted(Metric::kReportsSent, "delayed"), 1U);
}

TEST_F(DelayTest, IsToldThoseWhoAsked) {
  end(late_lease({.notify = message::kNotifyDelay}), {{Stage::kMail, kBusy}});
  const queue::Lease next = again();
  EXPECT_EQ(counted(Metric::kReportsSent, "delayed"), 1U);
}

TEST_F(DelayTest, IsNotToldThoseWhoAskedForOtherThings) {
  for (const std::uint8_t notify : {message::kNotifyNever, message::kNotifyFailure}) {
    end(late_lease({.notify = notify}), {{Stage::kMail, kBusy}});
    const queue::Lease next = again();
    EXPECT_FALSE(next.delay_reported());
  }
  end(late_lease({.sender = ""}), {{Stage::kMail, kBusy}});
  ASSERT_TRUE(run_until([&] { return counted(Metric::kDeliveriesAttempted) == 3; }));
  EXPECT_EQ(counted(Metric::kReportsSent, "delayed"), 0U);
}

TEST_F(DelayTest, IsToldBesideAFailureInOneReport) {
  end(late_lease({.to = {"one@to.example", "two@to.example"}}),
      {{Stage::kRecipient, kNobody}, {Stage::kRecipient, kBusy}});
  const queue::Lease next = again();
  if (reports_.empty()) reports_.push_back(take_report());
  const std::string text = reports_.at(0).body()->to_string();
  EXPECT_THAT(text, HasSubstr("Action: failed"));
  EXPECT_THAT(text, HasSubstr("Action: delayed"));
}

TEST_F(DelayTest, IsToldOfWhatIsPutOffToo) {
  put_off(*shared_, *loop_, late_lease({}), clock_.wall(), kBusy);
  const queue::Lease next = again();
  EXPECT_EQ(next.attempts(), 0U);
  EXPECT_TRUE(next.delay_reported());
  EXPECT_EQ(counted(Metric::kReportsSent, "delayed"), 1U);
  EXPECT_EQ(events_of("deferred"), 0U);
}

TEST_F(DelayTest, CountsFromTheTimeOfRelease) {
  end(late_lease({.release = clock_.wall() + std::chrono::hours(1)}), {{Stage::kMail, kBusy}});
  EXPECT_FALSE(again().delay_reported());
  EXPECT_EQ(counted(Metric::kReportsSent, "delayed"), 0U);
}

TEST_F(ReportTest, AReportIsAsUrgentAsItsMessage) {
  end(lease_of({.band = queue::Band::kHigh}), {{Stage::kRecipient, kNobody}}, spoken_to_mx());
  const queue::Lease report = take_report();
  EXPECT_EQ(report.message().band, queue::Band::kHigh);
  EXPECT_EQ(report.message().envelope.priority, 9);
}

TEST_F(ReportTest, OnAFullDiskItReturnsTheHeaderAlone) {
  queue::Lease lease = lease_of({.returns = message::ReturnContent::kFull});
  store_.set_space(queue::Space{.free = queue_options_.disk_reserve});
  ASSERT_TRUE(run_until([&] { return queue_->is_short_of_space(); }));
  end(std::move(lease), {{Stage::kRecipient, kNobody}}, spoken_to_mx());
  const queue::Lease report = take_report();
  ASSERT_TRUE(report.body());
  const std::string text = report.body()->to_string();
  EXPECT_THAT(text, HasSubstr("Content-Type: text/rfc822-headers"));
  EXPECT_THAT(text, Not(HasSubstr("\r\nhello\r\n")));
}

TEST_F(ReportTest, ADelayIsNotToldBeforeItsTime) {
  end(a_lease(), {{Stage::kMail, kBusy}});
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(counted(Metric::kReportsSent, "delayed"), 0U);
}

// Bodies are not kept in memory: a report reads the one it is about.
class ColdReportTest : public DeliveryTest {
 protected:
  void SetUp() override {
    queue_options_.lease_bytes_max = 0;
    open();
  }

  std::string text_of(queue::Lease report) {
    EXPECT_TRUE(report.message().envelope.sender.is_null());
    std::promise<std::string> text;
    auto answer = text.get_future();
    queue_->read_body(std::move(report), [&text](queue::Lease loaded, Result<void> read) {
      text.set_value(read ? loaded.body()->to_string() : read.error().text());
    });
    return answer.get();
  }
};

TEST_F(ColdReportTest, QuotesTheMessageFromDisk) {
  queue::Lease lease = a_lease();
  ASSERT_FALSE(lease.body());
  conclude_all(*shared_, *loop_, std::move(lease), Stage::kRecipient, kNobody, {});
  EXPECT_THAT(text_of(take_lease()), HasSubstr("Subject: x"));
}

TEST_F(ColdReportTest, OfALargeMessageTheBeginningIsRead) {
  options_.report_full_max = queue::Queue::kPieceSize * 2;  // the message is larger
  queue::Lease lease = lease_of({.text = "Subject: x\r\n\r\n" + lines(queue::Queue::kPieceSize * 5),
                                 .returns = message::ReturnContent::kFull});
  conclude_all(*shared_, *loop_, std::move(lease), Stage::kRecipient, kNobody, {});
  std::uint64_t most = 0;
  EXPECT_TRUE(run_until([&] {
    most = std::max(most, queue_->stats().lease_bytes);
    return counted(Metric::kReportsSent, "failed") == 1;
  }));
  EXPECT_LE(most, queue::Queue::kPieceSize);
  const std::string text = text_of(take_lease());
  EXPECT_THAT(text, HasSubstr("Content-Type: text/rfc822-headers"));
  EXPECT_THAT(text, HasSubstr("Subject: x"));
  EXPECT_THAT(text, Not(HasSubstr(".line")));
}

TEST_F(ColdReportTest, ALargeMessageThatIsReturnedWholeIsReadWhole) {
  options_.report_full_max = queue::Queue::kPieceSize * 4;
  queue::Lease lease = lease_of({.text = "Subject: x\r\n\r\n" + lines(queue::Queue::kPieceSize * 3),
                                 .returns = message::ReturnContent::kFull});
  conclude_all(*shared_, *loop_, std::move(lease), Stage::kRecipient, kNobody, {});
  const queue::Lease report = take_lease();
  EXPECT_GT(report.message().size, queue::Queue::kPieceSize * 3);
}

TEST_F(ColdReportTest, ALargeMessageThatIsDamagedIsNotQuoted) {
  queue::Lease lease = lease_of({.text = lines(queue::Queue::kPieceSize * 3)});
  store_.damage(queue::body_key(lease.message().id, 0));
  conclude_all(*shared_, *loop_, std::move(lease), Stage::kRecipient, kNobody, {});
  EXPECT_THAT(text_of(take_lease()), Not(HasSubstr(".line")));
}

TEST_F(ColdReportTest, GoesOutWithoutAMessageThatCannotBeRead) {
  queue::Lease lease = a_lease();
  store_.set_fault([](std::string_view call, std::uint64_t) { return call == "get"; });
  conclude_all(*shared_, *loop_, std::move(lease), Stage::kRecipient, kNobody, {});
  EXPECT_TRUE(run_until([&] { return counted(Metric::kReportsSent, "failed") == 1; }));
  store_.set_fault({});
}

}  // namespace
}  // namespace postrider::delivery
