#include "relay/submission/handover.h"

#include <memory>
#include <utility>

#include "relay/base/log.h"
#include "relay/journal/record.h"
#include "relay/submission/receiver.h"

namespace postrider::submission {

namespace {

using signing::Outcome;

std::string accepted_events(const Handover& message, const std::string& id) {
  std::string lines;
  journal::Record record;
  record.time = message.time;
  record.event = journal::Event::kAccepted;
  record.id = id;
  record.envelope = &message.submission.envelope;
  record.size = message.submission.size();
  record.client = message.client;
  record.asked_priority = message.asked_priority;
  for (const message::Recipient& recipient : message.submission.recipients) {
    const std::string address = recipient.address.to_string();
    record.recipient = address;
    journal::append_line(lines, record);
  }
  return lines;
}

void give_back(policy::QuotaLedger& quota, const Handover::Charge& charge) {
  if (!charge.user.empty()) quota.give_back(charge.user, charge.amount, charge.time);
}

// With `signatures`, fields that go between the trace field and the header section.
void submit(Shared& shared, Handover message, const std::string& signatures, Intake::Done done) {
  queue::Submission& submission = message.submission;
  if (submission.opened.valid()) submission.opened.end(std::exchange(submission.body, {}));
  submission.body.prepend(Chunk(message.trace + signatures + message.header.to_string()));
  submission.events = accepted_events(message, submission.id.to_string());
  message.share.release();
  if (auto denied = memory_denial(message.share.add(submission.events.size()))) {
    give_back(shared.quota, message.charge);
    message.share.release();
    Receipt refused;
    refused.denied = std::move(denied);
    return done(refused);
  }
  Receipt receipt{queue::Refusal::kNone,
                  submission.id,
                  submission.size(),
                  submission.recipients.size(),
                  !submission.envelope.release_request.empty(),
                  message.asked_priority != 0,
                  message.asked_priority != submission.envelope.priority};
  shared.queue.submit(
      std::move(submission),
      [receipt, charge = std::move(message.charge), &quota = shared.quota,
       share = std::move(message.share), done = std::move(done)](queue::Refusal refusal) mutable {
        share = {};
        if (refusal != queue::Refusal::kNone) give_back(quota, charge);
        receipt.refusal = refusal;
        done(receipt);
      });
}

// What the sender is told of a message that was not signed after all.
Receipt unsigned_receipt(const Handover& message, const Outcome& outcome) {
  Receipt receipt;
  receipt.id = message.submission.id;
  if (outcome.kind == Outcome::Kind::kStopped) {
    receipt.refusal = queue::Refusal::kStopping;
    return receipt;
  }
  log::warning("signing", "a message could not be signed",
               {{"id", receipt.id.to_string()}, {"reason", outcome.error}});
  receipt.denied = Denied{
      "signing_failed",
      {451, {4, 7, 5}, "The message could not be signed: " + outcome.error + "; try again later"}};
  return receipt;
}

void count(const SigningMeters& meters, const signing::Signings& signings) {
  for (const auto& signing : signings) {
    (signing->key->algorithm() == signing::Algorithm::kRsa ? meters.rsa : meters.ed25519).add();
  }
}

}  // namespace

std::optional<Denied> hand_over(Shared& shared, Handover message, Intake::Done done) {
  if (message.signings.empty()) {
    submit(shared, std::move(message), "", std::move(done));
    return std::nullopt;
  }
  signing::Signer::Job job;
  job.signings = message.signings;
  job.header = std::move(message.header);
  job.body = message.submission.body;
  job.begun = std::move(message.digests);
  job.now = message.time;
  // Shared with the job, which gives nothing back when it is refused.
  const auto carried = std::make_shared<Handover>(std::move(message));
  job.done = [&shared, carried, done = std::move(done), started = shared.clock.now()](
                 const Outcome& outcome, message::HeaderSection header) mutable {
    carried->header = std::move(header);
    if (outcome.kind == Outcome::Kind::kSigned) {
      const Duration taken = shared.clock.now() - started;
      shared.signing_meters.seconds.observe(std::chrono::duration<double>(taken).count());
      count(shared.signing_meters, carried->signings);
      return submit(shared, std::move(*carried), outcome.fields, std::move(done));
    }
    if (outcome.kind == Outcome::Kind::kFailed) shared.signing_meters.failed.add();
    give_back(shared.quota, carried->charge);
    done(unsigned_receipt(*carried, outcome));
  };
  if (shared.signer.sign(job)) return std::nullopt;
  shared.signing_meters.busy.add();
  give_back(shared.quota, carried->charge);
  return Denied{"signing_busy",
                {451, {4, 3, 2}, "Too many messages are waiting to be signed; try again soon"}};
}

}  // namespace postrider::submission
