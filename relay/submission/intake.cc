#include "relay/submission/intake.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "relay/journal/record.h"
#include "relay/message/headers.h"
#include "relay/submission/receiver.h"

namespace postrider::submission {

using message::Status;

namespace {

std::string trace_field(const smtp::ServerSession& session, const IpAddress& client,
                        std::string_view host_name, const std::string& id, WallTime now) {
  std::string tls;
  if (session.tls()) tls = session.tls()->version + " " + session.tls()->cipher;
  message::TraceFacts facts;
  facts.helo = session.helo();
  facts.client = client;
  facts.by = host_name;
  facts.protocol = session.protocol();
  facts.tls = tls;
  facts.id = id;
  facts.when = now;
  return message::received_field(facts);
}

std::string accepted_events(const queue::Submission& submission, const std::string& id,
                            const std::string& client, WallTime now) {
  std::string lines;
  journal::Record record;
  record.time = now;
  record.event = journal::Event::kAccepted;
  record.id = id;
  record.envelope = &submission.envelope;
  record.size = submission.body.size();
  record.client = client;
  for (const message::Recipient& recipient : submission.recipients) {
    const std::string address = recipient.address.to_string();
    record.recipient = address;
    journal::append_line(lines, record);
  }
  return lines;
}

}  // namespace

Intake::~Intake() {
  release();
}

Status Intake::recipient_verdict(const message::Recipient& recipient) const {
  if (recipient.address.domain.empty() && shared_.options.postmaster.empty()) {
    return {550, {5, 1, 1}, "There is no postmaster here; use an address with a domain"};
  }
  return {250, {2, 1, 5}, "Ok"};
}

void Intake::begin() {
  release();
  over_limit_ = false;
}

void Intake::append(std::string_view bytes) {
  if (over_limit_) return;
  const std::size_t in_flight =
      shared_.bodies_in_flight.fetch_add(bytes.size(), std::memory_order_relaxed) + bytes.size();
  held_ += bytes.size();
  if (in_flight > shared_.options.bodies_in_flight_max) {
    release();
    over_limit_ = true;
    return;
  }
  while (!bytes.empty()) {
    if (block_.empty())
      block_.reserve(std::min(kBlockSize, std::max<std::size_t>(bytes.size(), 4096)));
    const std::size_t taken = std::min(bytes.size(), kBlockSize - block_.size());
    block_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (block_.size() == kBlockSize) seal_block();
  }
}

void Intake::seal_block() {
  body_.append(Chunk(std::move(block_)));
  block_ = {};
}

void Intake::abort() {
  release();
}

void Intake::release() {
  shared_.bodies_in_flight.fetch_sub(held_, std::memory_order_relaxed);
  held_ = 0;
  body_ = {};
  block_ = {};
}

std::optional<Status> Intake::commit(const smtp::ServerSession& session, const IpAddress& client,
                                     std::string_view host_name, Done done) {
  if (over_limit_) {
    return Status{452, {4, 3, 1}, "Too much message text is in memory; try again soon"};
  }
  if (!block_.empty()) seal_block();
  const WallTime now = shared_.clock.wall();
  queue::Submission submission;
  submission.id = shared_.queue.next_id();
  const std::string id = submission.id.to_string();
  submission.envelope = session.envelope();
  submission.envelope.user = session.user();
  submission.recipients = session.recipients();
  for (message::Recipient& recipient : submission.recipients) {
    if (!recipient.address.domain.empty()) continue;
    if (auto address = message::parse_mailbox(shared_.options.postmaster, false)) {
      recipient.address = *address;
    }
  }
  submission.body = std::move(body_);
  submission.body.prepend(Chunk(trace_field(session, client, host_name, id, now)));
  submission.expires = now + shared_.message_lifetime;
  submission.events = accepted_events(submission, id, client.to_string(), now);
  release();  // from here the queue's own limits count it
  Receipt receipt{queue::Refusal::kNone, submission.id, submission.body.size(),
                  submission.recipients.size()};
  shared_.queue.submit(std::move(submission),
                       [receipt, done = std::move(done)](queue::Refusal refusal) mutable {
                         receipt.refusal = refusal;
                         done(receipt);
                       });
  return std::nullopt;
}

Status Receipt::reply() const {
  switch (refusal) {
    case queue::Refusal::kNone:
      return {250, {2, 0, 0}, "Ok: queued as " + id.to_string()};
    case queue::Refusal::kQueueFull:
      return {452, {4, 3, 1}, "The queue is full; try again later"};
    case queue::Refusal::kNoSpace:
      return {452, {4, 3, 1}, "Not enough free space on the queue's disk; try again later"};
    case queue::Refusal::kBusy:
      return {451, {4, 3, 2}, "Too many messages are waiting to be stored; try again soon"};
    case queue::Refusal::kStoreFailed:
      return {451, {4, 3, 0}, "The message could not be stored; try again later"};
    case queue::Refusal::kStopping:
      return {421, {4, 3, 2}, "The service is stopping; try again soon"};
  }
  return {451, {4, 3, 0}, "The message could not be stored; try again later"};
}

}  // namespace postrider::submission
