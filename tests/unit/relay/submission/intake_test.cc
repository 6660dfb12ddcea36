#include "relay/submission/intake.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/submission/submission_fixture.h"

namespace postrider::submission {
namespace {

using message::Status;
using queue::Refusal;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A session that has said its envelope and is about to be asked for the commit.
class IntakeTest : public SubmissionTest {
 protected:
  void open_with_session() {
    open();
    session_.emplace(listener_.session);
    intake_.emplace(*shared_, post());
    session_->start(clock_.now());
    feed("EHLO client.example\r\n");
  }

  BodyWriter::Post post() {
    return [this](Task task) { loop_->post(std::move(task)); };
  }

  // Envelope, then `text` as it arrives in one piece, then the end.
  void transact(const std::string& recipient, const std::string& text) {
    feed("MAIL FROM:<a@from.example>\r\nRCPT TO:<" + recipient + ">\r\nDATA\r\n");
    feed(text + ".\r\n");
    ASSERT_TRUE(session_->awaiting_commit());
  }

  void begin_text() { feed("MAIL FROM:<a@from.example>\r\nRCPT TO:<b@to.example>\r\nDATA\r\n"); }

  // The one that was committed and leased, so that another may follow.
  void forget_message() {
    session_->answer(receipt_->reply(), clock_.now());
    while (session_->next()) {
    }
    receipt_.reset();
    leases_.finish(*queue_);
  }

  void feed(const std::string& bytes) {
    session_->receive(bytes, clock_.now());
    while (auto action = session_->next()) {
      if (std::holds_alternative<smtp::AskSender>(*action)) {
        session_->answer({250, {2, 1, 0}, "Ok"}, clock_.now());
      } else if (const auto* ask = std::get_if<smtp::AskRecipient>(&*action)) {
        session_->answer(intake_->recipient_verdict(ask->recipient), clock_.now());
      } else if (std::holds_alternative<smtp::BeginBody>(*action)) {
        intake_->begin(client_);
      } else if (const auto* part = std::get_if<smtp::BodyPart>(&*action)) {
        intake_->append(part->bytes);
      }
    }
  }

  std::optional<Status> commit() {
    const auto denied = intake_->commit(
        *session_, client_, "relay.example",
        [this](const Receipt& receipt) { loop_->post([this, receipt] { receipt_ = receipt; }); });
    return denied ? std::optional<Status>(denied->status) : std::nullopt;
  }

  // Commits when all is written, and waits for the answer.
  void committed() {
    ASSERT_TRUE(run_until([&] { return !intake_->is_writing(); }));
    ASSERT_EQ(commit(), std::nullopt);
    ASSERT_TRUE(run_until([&] { return receipt_.has_value(); }));
  }

  bool run_until_leased() {
    return run_until([&] { return leases_.count() == 1; });
  }

  const IpAddress client_ = *IpAddress::parse("198.51.100.7");
  std::optional<smtp::ServerSession> session_;
  std::optional<Intake> intake_;
  std::optional<Receipt> receipt_;
};

TEST_F(IntakeTest, PutsATraceFieldInFrontOfTheText) {
  open_with_session();
  transact("b@to.example", "Subject: x\r\n\r\nhello\r\n");
  committed();
  ASSERT_TRUE(run_until_leased());
  const std::string text = leases_.at(0).body()->to_string();
  EXPECT_THAT(text, StartsWith("Received: from client.example ([198.51.100.7])"));
  EXPECT_THAT(text, HasSubstr(receipt_->id.to_string()));
  EXPECT_TRUE(text.ends_with("\r\nSubject: x\r\n\r\nhello\r\n"));
  EXPECT_EQ(receipt_->size, text.size());
  EXPECT_EQ(receipt_->recipients, 1U);
}

TEST_F(IntakeTest, KeepsTheEnvelopeAndTheTimeToLive) {
  open_with_session();
  transact("b@to.example", "hello\r\n");
  committed();
  ASSERT_TRUE(run_until_leased());
  const queue::Message& message = leases_.at(0).message();
  EXPECT_EQ(message.envelope.sender.to_string(), "a@from.example");
  EXPECT_EQ(message.id.to_string(), receipt_->id.to_string());
  EXPECT_LE(message.expires, clock_.wall() + std::chrono::hours(24));
  EXPECT_GT(message.expires, clock_.wall() + std::chrono::hours(23));
}

TEST_F(IntakeTest, WritesAJournalLineForEachRecipient) {
  open_with_session();
  feed(
      "MAIL FROM:<a@from.example>\r\nRCPT TO:<b@to.example>\r\nRCPT TO:<c@to.example>\r\n"
      "DATA\r\nx\r\n.\r\n");
  committed();
  const std::string lines = events();
  EXPECT_EQ(std::ranges::count(lines, '\n'), 2);
  EXPECT_THAT(lines, HasSubstr(R"("event":"accepted")"));
  EXPECT_THAT(lines, HasSubstr(R"("recipient":"b@to.example")"));
  EXPECT_THAT(lines, HasSubstr(R"("recipient":"c@to.example")"));
  EXPECT_THAT(lines, HasSubstr(R"("client":"198.51.100.7")"));
}

// Each recipient's line repeats it.
TEST_F(IntakeTest, MetadataForManyRecipientsIsBounded) {
  options_.metadata_headers = {"X-Meta-*"};
  open_with_session();
  std::string fields;
  for (int i = 0; i < 16; ++i) {
    fields += "X-Meta-" + std::to_string(i) + ": " + std::string(256, '"') + "\r\n";
  }
  std::string recipients;
  for (int i = 0; i < 100; ++i) recipients += "RCPT TO:<b" + std::to_string(i) + "@to.example>\r\n";
  feed("MAIL FROM:<a@from.example>\r\n" + recipients + "DATA\r\n" + fields + "\r\n.\r\n");
  const auto refused = commit();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->to_line(),
            "554 5.6.0 The header fields for the journal are too large for 100 recipients; send to "
            "at most 62 at a time");
  session_->answer(*refused, clock_.now());
  while (session_->next()) {
  }
  transact("b@to.example", fields + "\r\n");
  committed();
  EXPECT_EQ(receipt_->refusal, Refusal::kNone);
}

TEST_F(IntakeTest, TheBarePostmasterGoesWhereTheOptionsSay) {
  options_.postmaster = "ops@relay.example";
  open_with_session();
  transact("postmaster", "x\r\n");
  committed();
  ASSERT_TRUE(run_until_leased());
  EXPECT_EQ(leases_.at(0).recipients().at(0).address.to_string(), "ops@relay.example");
}

TEST_F(IntakeTest, WithoutOneTheBarePostmasterIsRefused) {
  open_with_session();
  EXPECT_EQ(intake_->recipient_verdict({{"postmaster", ""}, 0, ""}).code, 550);
  EXPECT_EQ(intake_->recipient_verdict({{"postmaster", "to.example"}, 0, ""}).code, 250);
}

TEST_F(IntakeTest, AFirstLineThatGoesOnWithOurFieldIsRefusedOfEverybody) {
  open_with_session();
  transact("b@to.example", " by evil.example; x\r\nSubject: x\r\n\r\n");
  const auto refused = commit();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, 554);
}

TEST_F(IntakeTest, ATrustedHostsLinesPassAsTheyAre) {
  open_with_session();
  const std::string text = "no field\r\nFrom: a@b.example\r\nFrom: c@d.example\r\n\r\n";
  transact("b@to.example", text);
  committed();
  ASSERT_TRUE(run_until_leased());
  EXPECT_TRUE(leases_.at(0).body()->to_string().ends_with("\r\n" + text));
}

TEST_F(IntakeTest, ALongTextIsStoredWhole) {
  open_with_session();
  const std::string text = large_text(200'000);
  begin_text();
  for (std::size_t at = 0; at < text.size(); at += 7001) feed(text.substr(at, 7001));
  EXPECT_EQ(shared_->texts.octets(), text.size());
  feed(".\r\n");
  committed();
  ASSERT_TRUE(run_until_leased());
  EXPECT_TRUE(leases_.at(0).body()->to_string().ends_with(text));
  EXPECT_EQ(shared_->texts.octets(), 0U);
}

TEST_F(IntakeTest, ALargeTextIsWrittenWhileItArrives) {
  auth_options_.users[0].bytes_per_day = 10'000'000;
  open_with_session();
  const std::string text = large_text(3'000'000);
  begin_text();
  std::size_t most = 0;
  for (std::size_t at = 0; at < text.size(); at += 7001) {
    ASSERT_TRUE(run_until([&] { return !intake_->is_full(); }));
    feed(text.substr(at, 7001));
    most = std::max(most, shared_->texts.octets());
  }
  EXPECT_LE(most, text_held_max(options_) - options_.header_size_max);
  feed(".\r\n");
  committed();
  ASSERT_TRUE(run_until_leased());
  EXPECT_EQ(intake_->deadline(), TimePoint::max());
  const std::string stored = text_of(leases_.at(0));
  EXPECT_THAT(stored, StartsWith("Received: from client.example ([198.51.100.7])"));
  EXPECT_TRUE(stored.ends_with(text));
  EXPECT_EQ(receipt_->size, stored.size());
  EXPECT_EQ(leases_.at(0).message().size, stored.size());
  EXPECT_THAT(events(), HasSubstr("\"size\":" + std::to_string(stored.size())));
  EXPECT_EQ(shared_->texts.octets(), 0U);
}

// Around the end of the first part, and of blocks.
TEST_F(IntakeTest, TextsOfEverySizeAreStoredWhole) {
  open_with_session();
  const std::size_t part = BodyWriter::kPartSize;
  const std::size_t block = BodyWriter::kBlockSize;
  for (const std::size_t size : {part - 2, part, part + 2, part + block, 2 * part, 3 * part + 1}) {
    begin_text();
    const std::string text = "\r\n" + std::string(20'000, 'x') + "\r\n";
    std::string body;
    while (body.size() + text.size() < size - 2) body += text;
    body += std::string(size - 2 - body.size(), 'y') + "\r\n";
    feed("\r\n" + body);
    feed(".\r\n");
    committed();
    ASSERT_TRUE(run_until_leased());
    EXPECT_TRUE(text_of(leases_.at(0)).ends_with("\r\n\r\n" + body)) << size;
    forget_message();
  }
}

TEST_F(IntakeTest, OfATextThatIsRefusedTheRestIsThrownAway) {
  open_with_session();
  store_.set_fault([](std::string_view call, std::uint64_t) { return call == "write"; });
  begin_text();
  feed(large_text(600'000));
  ASSERT_TRUE(run_until([&] { return shared_->texts.octets() == 0; }));
  feed(large_text(600'000));
  EXPECT_FALSE(intake_->is_full());
  EXPECT_EQ(shared_->texts.octets(), 0U);
  feed(".\r\n");
  EXPECT_EQ(commit()->to_line(), "451 4.3.0 The message could not be stored; try again later");
  store_.set_fault({});
  session_->answer({451, {4, 3, 0}, "x"}, clock_.now());
  while (session_->next()) {
  }
  EXPECT_TRUE(run_until([&] { return queue_->health().accepting; }));
  transact("b@to.example", large_text(600'000));
  committed();
  EXPECT_EQ(receipt_->refusal, Refusal::kNone);
}

TEST_F(IntakeTest, ATextThatIsNotWrittenInTimeIsGivenUp) {
  open_with_session();
  begin_text();
  hold_store();
  EXPECT_EQ(intake_->deadline(), TimePoint::max());
  feed(large_text(300'000));
  EXPECT_TRUE(intake_->is_writing());
  EXPECT_FALSE(intake_->is_full());
  EXPECT_LE(intake_->deadline(), clock_.now() + BodyWriter::kPartDeadline);
  feed(large_text(300'000));
  EXPECT_TRUE(intake_->is_full());
  ASSERT_TRUE(run_until_held());
  intake_->give_up();
  EXPECT_FALSE(intake_->is_full());
  EXPECT_FALSE(intake_->is_writing());
  EXPECT_EQ(intake_->deadline(), TimePoint::max());
  EXPECT_EQ(shared_->texts.octets(), 0U);
  feed(".\r\n");
  EXPECT_THAT(commit()->to_line(), StartsWith("451 4.3.2 "));
  release_store();
  EXPECT_TRUE(run_until_erased());
}

TEST_F(IntakeTest, ATextThatIsOffIsErased) {
  open_with_session();
  begin_text();
  feed(large_text(1'000'000));
  ASSERT_TRUE(run_until([&] { return queue_->stats().open_bytes > 0; }));
  intake_->abort();
  EXPECT_EQ(shared_->texts.octets(), 0U);
  EXPECT_TRUE(run_until_erased());
}

TEST_F(IntakeTest, ALargeMessageThatIsDeniedIsErased) {
  open_with_session();
  transact("b@to.example", " folded" + large_text(600'000));
  ASSERT_TRUE(run_until([&] { return !intake_->is_writing(); }));
  EXPECT_EQ(commit()->code, 554);
  EXPECT_EQ(shared_->texts.octets(), 0U);
  EXPECT_TRUE(run_until_erased());
}

// It might not fit into the front of a text that is written already.
TEST_F(IntakeTest, BehindAVeryLargeHeaderSectionTheTextIsHeldWhole) {
  options_.header_size_max = 1'000'000;
  open_with_session();
  begin_text();
  std::string fields;
  while (fields.size() < 600'000) fields += "X: " + std::string(900, 'x') + "\r\n";
  const std::string text = fields + large_text(600'000);
  feed(text);
  EXPECT_EQ(shared_->texts.octets(), text.size());
  EXPECT_EQ(queue_->stats().open_bodies, 0U);
  feed(".\r\n");
  committed();
  ASSERT_TRUE(run_until_leased());
  EXPECT_TRUE(text_of(leases_.at(0)).ends_with(text));
}

TEST_F(IntakeTest, OfAHeaderSectionThatIsTooLargeNothingIsHeld) {
  options_.header_size_max = 4096;
  open_with_session();
  transact("b@to.example", "X: " + std::string(5000, 'x') + large_text(600'000));
  EXPECT_EQ(shared_->texts.octets(), 0U);
  EXPECT_EQ(commit()->to_line(), "554 5.6.0 The header section is larger than 4096 octets");
}

TEST_F(IntakeTest, AnEmptyTextIsAMessage) {
  open_with_session();
  transact("b@to.example", "");
  committed();
  EXPECT_EQ(receipt_->refusal, Refusal::kNone);
}

TEST_F(IntakeTest, RefusesWhatTheSharedLimitDoesNotHold) {
  options_.bodies_in_flight_max = 1000;
  open_with_session();
  transact("b@to.example", std::string(2000, 'x') + "\r\n");
  EXPECT_EQ(shared_->texts.octets(), 0U);  // nothing is kept of it
  const auto refused = commit();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, 452);
  session_->answer(*refused, clock_.now());
  while (session_->next()) {
  }
  transact("b@to.example", "small\r\n");
  committed();
  EXPECT_EQ(receipt_->refusal, Refusal::kNone);
}

TEST_F(IntakeTest, TheLimitIsSharedWithOtherSessions) {
  options_.bodies_in_flight_max = 1000;
  open_with_session();
  Intake other(*shared_, post());
  other.begin(*IpAddress::parse("192.0.2.9"));
  other.append(std::string(900, 'y'));
  transact("b@to.example", std::string(200, 'x') + "\r\n");
  EXPECT_TRUE(commit());
  EXPECT_EQ(shared_->texts.octets(), 900U);
}

TEST_F(IntakeTest, OneClientLeavesRoomForOthers) {
  options_.bodies_in_flight_max = 2000;
  options_.session.message_size_max = 500;
  open_with_session();
  Intake held(*shared_, post());
  held.begin(client_);
  held.append(std::string(900, 'y'));
  transact("b@to.example", std::string(200, 'x') + "\r\n");
  const auto refused =
      intake_->commit(*session_, client_, "relay.example", [](const Receipt&) { FAIL(); });
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->reason, "bodies_in_flight_per_client");
  EXPECT_EQ(refused->status.to_line(),
            "452 4.3.1 Too much message text from your address is in memory; try again soon");
  EXPECT_EQ(shared_->texts.octets(), 900U);
  Intake other(*shared_, post());
  other.begin(*IpAddress::parse("192.0.2.9"));
  other.append(std::string(900, 'z'));
  EXPECT_EQ(shared_->texts.octets(), 1800U);
}

TEST(BodiesInFlightPerClient, IsHalfOrWhatIsSetAndHoldsAMessage) {
  Options options;
  options.bodies_in_flight_max = 10'000'000;
  EXPECT_EQ(bodies_in_flight_per_client(options), 5'000'000U);
  options.bodies_in_flight_per_client_max = 3'000'000;
  EXPECT_EQ(bodies_in_flight_per_client(options), 3'000'000U);
  options.bodies_in_flight_per_client_max = 100;
  EXPECT_EQ(bodies_in_flight_per_client(options), text_held_max(options));
  options.session.message_size_max = 500;
  EXPECT_EQ(bodies_in_flight_per_client(options), 500U);
}

TEST_F(IntakeTest, GivesTheMemoryBackWhenTheTextIsOff) {
  open_with_session();
  {
    Intake other(*shared_, post());
    other.begin(*IpAddress::parse("192.0.2.9"));
    other.append("some text");
    EXPECT_EQ(shared_->texts.octets(), 9U);
    other.abort();
    EXPECT_EQ(shared_->texts.octets(), 0U);
    other.append("more");
  }
  EXPECT_EQ(shared_->texts.octets(), 0U);
}

TEST_F(IntakeTest, AStoppedQueueAnswersToo) {
  open_with_session();
  transact("b@to.example", "x\r\n");
  stop_queue();
  committed();
  EXPECT_EQ(receipt_->refusal, Refusal::kStopping);
}

TEST(Receipt, NamesTheMessageThatIsStored) {
  const Receipt receipt{Refusal::kNone, {}, 10, 1};
  EXPECT_EQ(receipt.reply().to_line(), "250 2.0.0 Ok: queued as " + receipt.id.to_string());
}

TEST(Receipt, RefusesSoThatTheClientTriesAgain) {
  for (const auto refusal :
       {Refusal::kMessagesFull, Refusal::kBytesFull, Refusal::kTenantMessagesFull,
        Refusal::kTenantBytesFull, Refusal::kNoSpace, Refusal::kBusy, Refusal::kStoreFailed,
        Refusal::kStopping}) {
    const Receipt receipt{refusal, {}, 0, 0};
    EXPECT_TRUE(receipt.reply().is_transient()) << receipt.reply().to_line();
    EXPECT_EQ(receipt.reply().enhanced.subject, 3);
  }
}

// Through the whole side: TLS, login, and what the queue got in the end.
class SubmittedTest : public SubmissionTest {
 protected:
  auth::User& user() { return auth_options_.users[0]; }

  // The reply to the whole message, or to the first command that is refused.
  std::string submitted(const std::string& text, const std::string& sender = "a@from.example",
                        const std::string& parameters = "") {
    if (!queue_) {
      use_submission();
      open();
    }
    auto client = secured();
    EXPECT_TRUE(say(*client, plain_login("secret")).starts_with("235"));
    const std::string reply = say(*client, "MAIL FROM:<" + sender + ">" + parameters);
    if (!reply.starts_with("250")) return reply;
    const std::string second = say(*client, "RCPT TO:<b@to.example>");
    if (!second.starts_with("250")) return second;
    EXPECT_TRUE(say(*client, "DATA").starts_with("354"));
    return say(*client, text + ".");
  }

  std::string stored() {
    EXPECT_TRUE(run_until([&] { return leases_.count() == 1; }));
    return leases_.at(0).body()->to_string();
  }
};

TEST_F(SubmittedTest, TheHeaderSectionIsRepaired) {
  options_.campaign_header = "X-Campaign";
  user().tenant = "shop";
  EXPECT_THAT(submitted("From: a@from.example\r\nBcc: c@to.example,\r\n d@to.example\r\n"
                        "Return-Path: <x@y.example>\r\nX-Campaign: may\r\nX-Tenant: other\r\n"
                        "\r\nBcc: text\r\n"),
              StartsWith("250"));
  const std::string text = stored();
  EXPECT_THAT(text, HasSubstr("with ESMTPSA"));
  EXPECT_THAT(text, HasSubstr("\r\nDate: "));
  EXPECT_THAT(text, HasSubstr("\r\nMessage-ID: <"));
  EXPECT_TRUE(text.ends_with("\r\nFrom: a@from.example\r\nX-Tenant: other\r\n\r\nBcc: text\r\n"))
      << text;
  EXPECT_EQ(leases_.at(0).message().envelope.campaign, "may");
  EXPECT_EQ(leases_.at(0).message().envelope.tenant, "shop");
}

TEST_F(SubmittedTest, WhatIsSignedStays) {
  const std::string signed_text =
      "DKIM-Signature: v=1; a=rsa-sha256; d=from.example; s=s; bh=x; b=x;\r\n"
      " h=from:bcc:date:message-id\r\nFrom: a@from.example\r\n\r\nHello\r\n";
  EXPECT_THAT(submitted(signed_text), StartsWith("250"));
  EXPECT_TRUE(stored().ends_with("\r\n" + signed_text));
}

TEST_F(SubmittedTest, AUserSendsInItsOwnNameOnly) {
  user().senders = {"from.example"};
  EXPECT_EQ(submitted("", "a@other.example"),
            "550 5.7.1 This user may not send as <a@other.example>\r\n");
  EXPECT_EQ(counted(metrics::Metric::kRepliesRefused, "sender_not_allowed"), 1U);
  EXPECT_THAT(submitted("", ""), StartsWith("550 5.7.1"));
  EXPECT_EQ(submitted("From: x <a@from.example>, a@other.example\r\n\r\n"),
            "550 5.7.1 This user may not send as a@other.example\r\n");
  EXPECT_THAT(submitted("Subject: x\r\n\r\n"), StartsWith("550 5.7.1 The message has no From"));
  EXPECT_THAT(submitted("From: nobody\r\n\r\n"), StartsWith("550 5.7.1 The From field holds no"));
  EXPECT_THAT(submitted("From: x <a@FROM.example>\r\n\r\n"), StartsWith("250"));
}

TEST_F(SubmittedTest, AUserThatIsAllowedNothingSendsNothing) {
  user().senders = {};
  EXPECT_THAT(submitted(""), StartsWith("550 5.7.1"));
}

TEST_F(SubmittedTest, AQuotaIsKept) {
  user().messages_per_day = 1;
  user().recipients_per_day = 5;
  EXPECT_THAT(submitted("\r\n"), StartsWith("250"));
  EXPECT_EQ(submitted("\r\n"),
            "450 4.7.1 The limit of 1 messages a day of this user is reached; try again after "
            "00:00 UTC\r\n");
  EXPECT_EQ(counted(metrics::Metric::kRepliesRefused, "quota"), 1U);
}

TEST_F(SubmittedTest, TheHeaderSectionIsBounded) {
  options_.header_fields_max = 10;
  options_.header_size_max = 4096;
  std::string fields;
  for (int i = 0; i < 11; ++i) fields += "X: y\r\n";
  EXPECT_EQ(submitted(fields + "\r\n"), "554 5.6.0 The header section has more than 10 fields\r\n");
  std::string large = "X: " + std::string(900, 'x');
  for (int i = 0; i < 5; ++i) large += "\r\n " + std::string(900, 'x');
  EXPECT_EQ(submitted(large + "\r\n\r\n"),
            "554 5.6.0 The header section is larger than 4096 octets\r\n");
}

TEST_F(SubmittedTest, ALabelIsOneWord) {
  options_.campaign_header = "X-Campaign";
  EXPECT_THAT(submitted("X-Campaign: two words\r\n\r\n"), StartsWith("554 5.6.0 X-Campaign"));
  EXPECT_THAT(submitted("X-Campaign: a\r\nX-Campaign: b\r\n\r\n"), StartsWith("554 5.6.0"));
}

TEST_F(SubmittedTest, AFirstLineThatGoesOnWithOurFieldIsRefused) {
  const std::string denial =
      "554 5.6.0 The first line of the header section begins with a blank\r\n";
  EXPECT_EQ(submitted(" by evil.example; x\r\nFrom: a@from.example\r\n\r\n"), denial);
  EXPECT_EQ(submitted("\tx\r\n"), denial);
  EXPECT_EQ(submitted(" \r\n\r\n"), denial);
  EXPECT_THAT(submitted("\r\n text\r\n"), StartsWith("250"));
}

TEST_F(SubmittedTest, ALineThatIsNoFieldIsRefused) {
  EXPECT_EQ(submitted("From: a@from.example\r\nFrom\r\n : b@other.example\r\n\r\n"),
            "554 5.6.0 Line 2 of the header section is no field: \"From\"\r\n");
  EXPECT_EQ(counted(metrics::Metric::kRepliesRefused, "header_syntax"), 1U);
}

TEST_F(SubmittedTest, ASecondFromFieldIsRefused) {
  EXPECT_EQ(submitted("From: a@from.example\r\nFROM: a@from.example\r\n\r\n"),
            "554 5.6.0 The message has more than one From field\r\n");
}

TEST_F(SubmittedTest, AnAddressInFromNeedsSmtpUtf8WhereItIsNotAscii) {
  user().senders = {"b\u00fccher.example"};
  const std::string text = "From: a@b\u00fccher.example\r\n\r\n";
  EXPECT_THAT(submitted(text, "a@xn--bcher-kva.example"), StartsWith("550 5.7.1 The From field"));
  EXPECT_THAT(submitted(text, "a@xn--bcher-kva.example", " SMTPUTF8"), StartsWith("250"));
}

TEST_F(SubmittedTest, WhatIsNoSignatureKeepsNothing) {
  EXPECT_THAT(submitted("DKIM-Signature: x\r\nBcc: c@to.example\r\nFrom: a@from.example\r\n\r\n"),
              StartsWith("250"));
  const std::string text = stored();
  EXPECT_EQ(text.find("Bcc"), std::string::npos) << text;
  EXPECT_THAT(text, HasSubstr("\r\nDate: "));
}

TEST_F(SubmittedTest, ASignatureThatNobodyCanVerifyKeepsNothing) {
  EXPECT_THAT(submitted("DKIM-Signature: b=x; h=bcc:return-path\r\nBcc: c@to.example\r\n"
                        "Return-Path: <x@y.example>\r\nFrom: a@from.example\r\n\r\n"),
              StartsWith("250"));
  const std::string text = stored();
  EXPECT_EQ(text.find("Bcc"), std::string::npos) << text;
  EXPECT_EQ(text.find("Return-Path"), std::string::npos) << text;
}

// Who stands in Bcc is told nobody (RFC 5322 section 3.6.3).
TEST_F(SubmittedTest, WhatNeverLeavesIsRefusedWhereItIsSigned) {
  const std::string signature =
      "DKIM-Signature: v=1; a=rsa-sha256; d=from.example; s=s; bh=x; b=x;\r\n"
      " h=from:bcc:resent-bcc:return-path\r\nFrom: a@from.example\r\n";
  for (const std::string name : {"Bcc", "Resent-Bcc", "Return-Path"}) {
    EXPECT_EQ(submitted(signature + name + ": <c@to.example>\r\n\r\n"),
              "554 5.6.0 The field " + name +
                  " is for the relay alone and cannot be removed: a DKIM "
                  "signature covers it\r\n");
  }
  EXPECT_EQ(counted(metrics::Metric::kRepliesRefused, "header_signed"), 3U);
}

TEST_F(SubmittedTest, ALabelThatIsSignedIsRefused) {
  options_.campaign_header = "X-Campaign";
  options_.tenant_header = "X-Tenant";
  user().tenant = "shop";
  const std::string signature =
      "DKIM-Signature: v=1; a=rsa-sha256; d=from.example; s=s; bh=x; b=x;\r\n"
      " h=from:x-campaign:x-tenant\r\n";
  EXPECT_EQ(submitted(signature + "X-Campaign: may\r\n\r\n"),
            "554 5.6.0 The field X-Campaign is for the relay alone and cannot be removed: a DKIM "
            "signature covers it\r\n");
  EXPECT_THAT(submitted(signature + "X-Tenant: other\r\n\r\n"),
              StartsWith("554 5.6.0 The field X-Ten"));
  EXPECT_THAT(submitted(signature + "From: a@from.example\r\n\r\n"), StartsWith("250"));
}

}  // namespace
}  // namespace postrider::submission
