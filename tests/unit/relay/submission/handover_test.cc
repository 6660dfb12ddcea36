#include "relay/submission/handover.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/signing/example_keys.h"
#include "tests/unit/relay/submission/submission_fixture.h"

namespace postrider::submission {
namespace {

using metrics::Metric;
using testing::HasSubstr;
using testing::StartsWith;

class HandoverTest : public SubmissionTest {
 protected:
  HandoverTest() {
    add_key("ed", signing::kExampleEd25519Key);
    signing_options_.threads = 1;
  }

  void add_key(const std::string& selector, const std::string& pem) {
    signing::KeyOptions key;
    key.domain = "from.example";
    key.selector = selector;
    key.key_file = folder_.write(selector, pem);
    signing_options_.keys.push_back(key);
  }

  // A thread of the signer waits until `release_signer`.
  void hold_signer() {
    signing::Signer::Job job;
    job.done = [this](const signing::Outcome&, const message::HeaderSection&) {
      held_signer_.set_value();
      released_signer_.get_future().wait();
    };
    ASSERT_TRUE(signer_->sign(job));
    held_signer_.get_future().wait();
  }

  void release_signer() { released_signer_.set_value(); }

  static constexpr const char* kText = "From: a@from.example\r\nSubject: x\r\n\r\nhello\r\n";

  // Of the recipient of send_message, who is counted beside the text.
  const std::size_t kRecipientOctets = Intake::octets_of({{"b", "to.example"}, 0, ""});

  signing::KeyFolder folder_;
  std::promise<void> held_signer_;
  std::promise<void> released_signer_;
};

TEST_F(HandoverTest, TheSignaturesStandBehindTheTraceField) {
  add_key("rsa", signing::kExampleRsaKey);
  open();
  auto client = greeted();
  send_message(*client, kText);
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 Ok: queued as "));
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  const std::string text = leases_.at(0).body()->to_string();
  EXPECT_THAT(text, StartsWith("Received: "));
  const std::size_t first = text.find("\r\nDKIM-Signature: v=1; a=ed25519-sha256;");
  const std::size_t second = text.find("\r\nDKIM-Signature: v=1; a=rsa-sha256;");
  ASSERT_NE(second, std::string::npos) << text;
  EXPECT_LT(first, second);
  EXPECT_TRUE(text.ends_with("\r\n" + std::string(kText)));
  EXPECT_EQ(text.find("received", first), std::string::npos);
  EXPECT_THAT(events(), HasSubstr("\"size\":" + std::to_string(text.size())));
  EXPECT_EQ(counted(Metric::kSignatures, "rsa"), 1U);
  EXPECT_EQ(counted(Metric::kSignatures, "ed25519"), 1U);
  EXPECT_EQ(shared_->texts.octets(), 0U);
}

// Its hash is begun while it arrives: the same signature as of the text as a whole.
TEST_F(HandoverTest, ALargeTextIsSigned) {
  open();
  auto client = greeted();
  const std::string header = "From: a@from.example\r\nSubject: x\r\n";
  const std::string body = large_text(3'000'000);
  send_message(*client, header + body);
  EXPECT_THAT(reply(*client), StartsWith("250 2.0.0 "));
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  const std::string text = text_of(leases_.at(0));
  ASSERT_TRUE(text.ends_with("\r\n" + header + body));
  const std::size_t begin = text.find("DKIM-Signature: ");
  const std::size_t time = text.find(" t=", begin) + 3;
  const Seconds signed_at(std::stol(text.substr(time, text.find(';', time) - time)));
  EXPECT_EQ(text.substr(begin, text.size() - begin - header.size() - body.size()),
            *signing::signature_fields(signer_->keys()->find("from.example", ""),
                                       message::HeaderSection(header + "\r\n"),
                                       message::Body(body.substr(2)), WallTime(signed_at)));
  EXPECT_EQ(counted(Metric::kSignatures, "ed25519"), 1U);
  EXPECT_EQ(shared_->texts.octets(), 0U);
}

TEST_F(HandoverTest, WithoutAKeyItGoesUnsigned) {
  open();
  auto client = greeted();
  send_message(*client, "From: a@other.example\r\n\r\nhello\r\n");
  EXPECT_THAT(reply(*client), StartsWith("250"));
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));
  EXPECT_EQ(leases_.at(0).body()->to_string().find("DKIM"), std::string::npos);
}

TEST_F(HandoverTest, WhatMustBeSignedIsRefusedWithoutAKey) {
  options_.signature_authors = {"other.example"};
  open();
  auto client = greeted();
  send_message(*client, "From: a@other.example\r\n\r\nhello\r\n");
  EXPECT_EQ(reply(*client),
            "550 5.7.1 A DKIM signature is required for messages from other.example: there is no "
            "DKIM key for other.example\r\n");
  EXPECT_EQ(counted(Metric::kRepliesRefused, "signature_required"), 1U);
  send_message(*client, kText);
  EXPECT_THAT(reply(*client), StartsWith("250"));
}

TEST_F(HandoverTest, TheSessionMayEndWhileItsMessageIsSigned) {
  open();
  hold_signer();
  auto client = greeted();
  send_message(*client, kText);
  ASSERT_TRUE(run_until([&] { return shared_->texts.octets() > kRecipientOctets; }));
  receiver_->cut_off();
  release_signer();
  ASSERT_TRUE(run_until([&] { return leases_.count() == 1; }));  // kept, as any late commit is
  EXPECT_TRUE(run_until([&] { return shared_->texts.octets() == 0; }));
  EXPECT_TRUE(run_until([&] { return counted(Metric::kMessagesAccepted) == 1; }));
}

TEST_F(HandoverTest, BeyondTheQueueOfTheSignerItIsPutOff) {
  signing_options_.waiting_max = 1;
  auth_options_.users[0].messages_per_day = 2;
  use_submission();
  open();
  hold_signer();
  const auto sent_by_client = [&](Client& client) {
    EXPECT_THAT(say(client, plain_login("secret")), StartsWith("235"));
    send_message(client, kText);
  };
  auto first = secured();
  sent_by_client(*first);
  ASSERT_TRUE(run_until([&] { return shared_->texts.octets() > kRecipientOctets; }));
  auto second = secured();
  sent_by_client(*second);
  EXPECT_EQ(reply(*second),
            "451 4.3.2 Too many messages are waiting to be signed; try again soon\r\n");
  EXPECT_EQ(counted(Metric::kSignatures, "busy"), 1U);
  EXPECT_EQ(counted(Metric::kRepliesRefused, "signing_busy"), 1U);
  release_signer();
  EXPECT_THAT(reply(*first), StartsWith("250"));
  send_message(*second, kText);  // the quota was given back
  EXPECT_THAT(reply(*second), StartsWith("250"));
}

TEST_F(HandoverTest, ItsJournalLinesAreCountedUntilTheyAreWritten) {
  open();
  auto client = greeted();
  hold_store();
  send_message(*client, kText);
  ASSERT_TRUE(run_until_held());
  const std::size_t held = shared_->texts.octets();
  release_store();
  EXPECT_THAT(reply(*client), StartsWith("250 "));
  EXPECT_EQ(held, events().size() + kRecipientOctets);
  EXPECT_EQ(shared_->texts.octets(), 0U);
}

TEST_F(HandoverTest, BeyondTheMemoryForJournalLinesItIsPutOff) {
  options_.bodies_in_flight_max = 8000;
  options_.session.message_size_max = 1000;
  auth_options_.users[0].messages_per_day = 1;
  use_submission();
  open();
  auto client = secured();
  EXPECT_THAT(say(*client, plain_login("secret")), StartsWith("235"));
  EXPECT_THAT(say(*client, "MAIL FROM:<a@from.example>"), StartsWith("250 "));
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(say(*client, "RCPT TO:<b" + std::to_string(i) + "@to.example>"),
                StartsWith("250 "));
  }
  EXPECT_THAT(say(*client, "DATA"), StartsWith("354 "));
  EXPECT_EQ(say(*client, std::string(kText) + "."),
            "452 4.3.1 Too much message text from your address is in memory; try again soon\r\n");
  EXPECT_EQ(counted(Metric::kRepliesRefused, "bodies_in_flight_per_client"), 1U);
  EXPECT_EQ(shared_->texts.octets(), 0U);
  send_message(*client, kText);  // the quota was given back
  EXPECT_THAT(reply(*client), StartsWith("250 "));
}

TEST_F(HandoverTest, TheEndOfTheSignerIsAnAnswer) {
  open();
  hold_signer();
  auto client = greeted();
  send_message(*client, kText);
  ASSERT_TRUE(run_until([&] { return shared_->texts.octets() > kRecipientOctets; }));
  std::thread end([&] { signer_.reset(); });
  EXPECT_EQ(reply(*client), "421 4.3.2 The service is stopping; try again soon\r\n");
  release_signer();
  end.join();
}

}  // namespace
}  // namespace postrider::submission
