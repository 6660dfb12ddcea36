#include "relay/submission/intake.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "relay/base/ascii.h"
#include "relay/message/headers.h"
#include "relay/policy/senders.h"
#include "relay/submission/handover.h"
#include "relay/submission/header_check.h"
#include "relay/submission/metadata.h"
#include "relay/submission/receiver.h"
#include "relay/submission/signature_choice.h"

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
  facts.priority = session.envelope().priority;
  facts.when = now;
  return message::received_field(facts);
}

policy::SendingLimits limits_of(const auth::User& user) {
  return {user.messages_per_minute, user.messages_per_day, user.recipients_per_day,
          user.bytes_per_day};
}

// The priority that a message gets which asks for `priority` (RFC 6710 section 4.1). Nobody has
// allowed a client without an account to be preferred.
int allowed_priority(int priority, const auth::User* user) {
  const message::Band highest = user == nullptr ? message::Band::kNormal : user->priority_max;
  return std::min(priority, message::highest_of(highest));
}

// RFC 6409 section 8; what a signature covers is not changed (HeaderSection sees to that). A
// denial: one covers what must not leave.
std::optional<Denied> repair(message::HeaderSection& header, std::string_view id,
                             std::string_view host_name, WallTime now) {
  for (const std::string_view name : {"Bcc", "Resent-Bcc", "Return-Path"}) {
    const std::string lower = ascii::lower(name);
    if (header.has(lower) && header.is_signed(lower)) {
      return signed_field("header_signed", std::string(name), "the relay alone");
    }
    header.remove(lower);
  }
  if (!header.has("message-id")) {
    header.add("Message-ID", "<" + std::string(id) + "@" + std::string(host_name) + ">");
  }
  if (!header.has("date")) header.add("Date", to_rfc5322(now));
  return std::nullopt;
}

// Of a text that was refused before its end: as if it were at its commit.
Denied refused(queue::Refusal refusal) {
  Receipt receipt;
  receipt.refusal = refusal;
  return {"", receipt.reply()};
}

}  // namespace

std::optional<Denied> memory_denial(TextLimit limit) {
  switch (limit) {
    case TextLimit::kNone:
      return std::nullopt;
    case TextLimit::kAll:
      return Denied{"bodies_in_flight",
                    {452, {4, 3, 1}, "Too much message text is in memory; try again soon"}};
    case TextLimit::kClient:
      break;
  }
  return Denied{
      "bodies_in_flight_per_client",
      {452, {4, 3, 1}, "Too much message text from your address is in memory; try again soon"}};
}

Intake::Intake(Shared& shared, BodyWriter::Post post) : shared_(shared), post_(std::move(post)) {}

Intake::~Intake() = default;

Status Intake::recipient_verdict(const message::Recipient& recipient) const {
  if (recipient.address.domain.empty() && shared_.options.postmaster.empty()) {
    return {550, {5, 1, 1}, "There is no postmaster here; use an address with a domain"};
  }
  return {250, {2, 1, 5}, "Ok"};
}

std::shared_ptr<const auth::Users> Intake::users() const {
  return shared_.authenticator.users();
}

const auth::User* Intake::account(const smtp::ServerSession& session,
                                  const auth::Users& all) const {
  return session.authenticated() ? all.find(session.user(), credentials_) : nullptr;
}

std::optional<Denied> Intake::sender_denial(const smtp::ServerSession& session,
                                            const auth::User* user) const {
  if (user == nullptr) {
    return Denied{"account_changed",
                  {421,
                   {4, 7, 0},
                   "This account has gone or has other credentials since the login; log in again"}};
  }
  const message::Address& sender = session.envelope().sender;
  if (!policy::may_send_as(user->senders, sender)) {
    return Denied{"sender_not_allowed",
                  {550, {5, 7, 1}, "This user may not send as <" + sender.to_string() + ">"}};
  }
  const auto refused =
      shared_.quota.look(user->name, limits_of(*user), {1, 1, 0}, shared_.clock.wall());
  if (refused) return Denied{refused->reason, refused->status};
  return std::nullopt;
}

std::variant<Status, Denied> Intake::answer_sender(const smtp::ServerSession& session) const {
  std::shared_ptr<const auth::Users> all;
  const auth::User* user = nullptr;
  if (session.authenticated()) {
    all = users();
    user = account(session, *all);
    if (auto denied = sender_denial(session, user)) return *std::move(denied);
  }
  const int asked = session.envelope().priority;
  const int allowed = allowed_priority(asked, user);
  if (allowed == asked) return Status{250, {2, 1, 0}, "Ok"};
  return Status{
      250,
      {2, 3, 6},
      std::to_string(allowed) + " is its priority, the highest that may be asked for here"};
}

std::optional<Denied> Intake::quota_denial(const smtp::ServerSession& session) const {
  if (!session.authenticated()) return std::nullopt;
  const auto all = users();
  const auth::User* user = account(session, *all);
  if (user == nullptr) return std::nullopt;  // the commit says it
  const auto refused = shared_.quota.look(
      user->name, limits_of(*user), {0, session.recipients().size() + 1, 0}, shared_.clock.wall());
  if (refused) return Denied{refused->reason, refused->status};
  return std::nullopt;
}

std::optional<Denied> Intake::hold_recipient(const IpAddress& client,
                                             const message::Recipient& recipient) {
  if (!of_recipients_.is_of_memory()) of_recipients_ = share_of(client);
  const std::size_t octets = octets_of(recipient);
  auto denied = memory_denial(of_recipients_.add(octets));
  if (denied) of_recipients_.give_back(octets);
  return denied;
}

std::size_t Intake::octets_of(const message::Recipient& recipient) {
  return sizeof recipient + recipient.address.local.size() + recipient.address.domain.size() +
         recipient.original.size();
}

TextShare Intake::share_of(const IpAddress& client) {
  if (!of_client_.is_of_memory()) of_client_ = shared_.texts.share(client);
  return of_client_.another();
}

void Intake::begin(const IpAddress& client) {
  release();
  share_ = share_of(client);
}

void Intake::append(std::string_view bytes) {
  if (lost_) return;
  size_ += bytes.size();
  if (auto denied = memory_denial(share_.add(bytes.size()))) return lose(*std::move(denied));
  if (!scan_.ended()) bytes = take_header(bytes);
  if (!lost_) keep(bytes);
}

// What is left of the bytes behind the header section.
std::string_view Intake::take_header(std::string_view bytes) {
  const std::size_t before = scan_.size();
  scan_.feed(bytes);
  const std::size_t taken = scan_.size() - before;
  if (scan_.size() > shared_.options.header_size_max) {
    lose({"header_size",
          {554,
           {5, 6, 0},
           "The header section is larger than " + std::to_string(shared_.options.header_size_max) +
               " octets"}});
    return {};
  }
  header_ += bytes.substr(0, taken);
  return bytes.substr(taken);
}

void Intake::keep(std::string_view bytes) {
  while (!bytes.empty()) {
    if (block_.empty())
      block_.reserve(std::min(kBlockSize, std::max<std::size_t>(bytes.size(), 4096)));
    const std::size_t taken = std::min(bytes.size(), kBlockSize - block_.size());
    block_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (block_.size() < kBlockSize) return;
    seal_block();
    write_if_large();
  }
}

void Intake::seal_block() {
  body_.append(Chunk(std::move(block_)));
  block_ = {};
}

// `body_` has whole blocks.
void Intake::write_if_large() {
  if (!writer_) {
    if (body_.size() < shared_.options.stream_from || scan_.size() > kWrittenHeaderMax) return;
    writer_ = std::make_shared<BodyWriter>(
        shared_, shared_.queue.next_id(), post_,
        [this](std::size_t octets, queue::Refusal refusal) { part_written(octets, refusal); });
  }
  writer_->add(std::exchange(body_, {}));
}

void Intake::part_written(std::size_t octets, queue::Refusal refusal) {
  if (refusal != queue::Refusal::kNone) return lose(refused(refusal));
  share_.give_back(octets);
}

TimePoint Intake::deadline() const {
  return writer_ ? writer_->deadline() : TimePoint::max();
}

void Intake::give_up() {
  lose(refused(queue::Refusal::kBusy));
}

void Intake::abort() {
  release();
}

void Intake::lose(Denied denied) {
  release();
  lost_ = std::move(denied);
}

void Intake::release() {
  share_.release();
  size_ = 0;
  body_ = {};
  block_ = {};
  writer_.reset();
  scan_ = {};
  header_ = {};
  lost_.reset();
}

std::optional<Denied> Intake::header_denial(const message::HeaderSection& header) const {
  const Options& options = shared_.options;
  if (header.size() > options.header_fields_max) {
    return Denied{"header_fields",
                  {554,
                   {5, 6, 0},
                   "The header section has more than " + std::to_string(options.header_fields_max) +
                       " fields"}};
  }
  if (header.begins_folded()) {
    return Denied{"header_syntax",
                  {554, {5, 6, 0}, "The first line of the header section begins with a blank"}};
  }
  return std::nullopt;
}

// Tenant and campaign of the message; the fields that say them are for us alone.
std::optional<Denied> Intake::take_labels(message::HeaderSection& header, const auth::User* user,
                                          message::Envelope& envelope) const {
  const Options& options = shared_.options;
  if (user != nullptr) envelope.tenant = user->tenant;
  const bool may_choose = user == nullptr || user->tenant == "*";
  if (may_choose) envelope.tenant.clear();
  for (const auto& [name, label] :
       {std::pair(options.campaign_header, &envelope.campaign),
        std::pair(options.tenant_header, may_choose ? &envelope.tenant : nullptr)}) {
    if (name.empty()) continue;
    const std::string lower = ascii::lower(name);
    const auto values = header.values(lower);
    if (!values.empty() && header.is_signed(lower)) {
      return signed_field("header_label", name, "the relay alone");
    }
    header.remove(lower);
    if (values.empty() || label == nullptr) continue;
    if (values.size() > 1 || !message::is_label(values[0])) {
      return Denied{"header_label",
                    {554,
                     {5, 6, 0},
                     name + " stands once, with at most " + std::to_string(message::kLabelMax) +
                         " visible ASCII characters"}};
    }
    *label = values[0];
  }
  return std::nullopt;
}

std::optional<Denied> Intake::commit(const smtp::ServerSession& session, const IpAddress& client,
                                     std::string_view host_name, Done done) {
  auto denied = lost_ ? lost_ : hand_on(session, client, host_name, std::move(done));
  release();
  return denied;
}

std::optional<Denied> Intake::hand_on(const smtp::ServerSession& session, const IpAddress& client,
                                      std::string_view host_name, Done done) {
  message::HeaderSection header(std::move(header_));
  if (auto denied = header_denial(header)) return denied;
  Handover message;
  message.client = client.to_string();
  message.time = shared_.clock.wall();
  queue::Submission& submission = message.submission;
  submission.id = writer_ ? writer_->id() : shared_.queue.next_id();
  const std::string id = submission.id.to_string();
  submission.envelope = session.envelope();
  submission.envelope.user = session.user();
  submission.recipients = session.recipients();
  const auto all = users();
  const auth::User* user = account(session, *all);
  if (session.authenticated()) {
    // Of the same users: a file read anew meanwhile must not take the account from under us.
    if (auto denied = sender_denial(session, user)) return denied;
    if (auto denied = check_fields(header)) return denied;
    if (auto denied = check_from(header, *user, submission.envelope.smtputf8)) return denied;
    if (auto denied = repair(header, id, host_name, message.time)) return denied;
  }
  if (auto denied = take_labels(header, user, submission.envelope)) return denied;
  if (auto denied = take_metadata(shared_.options.metadata_headers, header, submission.envelope)) {
    return denied;
  }
  if (auto denied =
          metadata_lines_denial(submission.envelope.metadata, submission.recipients.size())) {
    return denied;
  }
  if (auto denied = choose_signatures(shared_.options, shared_.signer, header, user,
                                      submission.envelope, message.signings)) {
    return denied;
  }
  for (message::Recipient& recipient : submission.recipients) {
    if (!recipient.address.domain.empty()) continue;
    if (auto address = message::parse_mailbox(shared_.options.postmaster, false)) {
      recipient.address = *address;
    }
  }
  message.asked_priority = submission.envelope.priority;
  submission.envelope.priority = allowed_priority(message.asked_priority, user);
  submission.band = message::band_of(submission.envelope.priority);
  // Its life begins when it may leave.
  submission.not_before = submission.envelope.release;
  submission.expires =
      std::max(message.time, submission.envelope.release) + shared_.message_lifetime;
  message.trace = trace_field(session, client, host_name, id, message.time);
  if (user != nullptr) {
    const policy::SentAmount amount{1, submission.recipients.size(), size_};
    const auto refused = shared_.quota.take(user->name, limits_of(*user), amount, message.time);
    if (refused) return Denied{refused->reason, refused->status};
    message.charge = {user->name, amount, message.time};
  }
  take_text(message);
  message.header = std::move(header);
  message.share = std::move(share_);
  return hand_over(shared_, std::move(message), std::move(done));
}

void Intake::take_text(Handover& message) {
  if (!block_.empty()) seal_block();
  if (writer_) {
    BodyWriter::Text begun = writer_->take();
    for (const Chunk& block : body_.chunks()) begun.rest.append(block);
    body_ = std::move(begun.rest);
    message.submission.opened = std::move(begun.opened);
    message.digests = std::move(begun.digests);
  }
  message.submission.body = std::move(body_);
}

Status Receipt::reply() const {
  if (denied) return denied->status;
  switch (refusal) {
    case queue::Refusal::kNone:
      return {250, {2, 0, 0}, "Ok: queued as " + id.to_string()};
    case queue::Refusal::kMessagesFull:
      return {452, {4, 3, 1}, "The queue holds as many messages as it may; try again later"};
    case queue::Refusal::kBytesFull:
      return {452, {4, 3, 1}, "The queue holds as much text as it may; try again later"};
    case queue::Refusal::kTenantMessagesFull:
      return {452, {4, 3, 1}, "As many of your messages are queued as may be; try again later"};
    case queue::Refusal::kTenantBytesFull:
      return {452, {4, 3, 1}, "As much text of yours is queued as may be; try again later"};
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
