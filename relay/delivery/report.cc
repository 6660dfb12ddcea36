#include "relay/delivery/report.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "relay/base/log.h"
#include "relay/journal/record.h"
#include "relay/message/dsn.h"
#include "relay/policy/asked_wait.h"
#include "relay/policy/failure.h"
#include "relay/policy/retry_schedule.h"

namespace postrider::delivery {

using message::Recipient;
using message::Stage;
using message::Status;
using queue::Fate;

namespace {

// One attempt on its way to the queue.
struct Conclusion {
  queue::Lease lease;
  std::vector<smtp::RecipientResult> results;
  AttemptFacts facts;
  std::vector<Fate> fates{};
  std::optional<WallTime> next_attempt{};
  bool attempted = true;      // false: put off
  bool delay_due = false;     // those who wait on are told so
  message::Body beginning{};  // of a text that is not returned whole and not in the lease
};

Fate fate_of(const smtp::RecipientResult& result, const policy::ReplyRules* replies,
             bool may_retry) {
  const policy::Judgement judgement = replies == nullptr
                                          ? policy::judge(result.stage, result.status)
                                          : replies->judge(result.stage, result.status).judgement;
  switch (judgement.action) {
    case policy::Action::kDelivered:
      return Fate::kDelivered;
    case policy::Action::kBounce:
      return Fate::kBounced;
    case policy::Action::kRetryLater:
      break;
  }
  return may_retry ? Fate::kDeferred : Fate::kExpired;
}

// What the report and the journal say: a reply as it came, our own words where there was none.
Status shown_status(const smtp::RecipientResult& result) {
  const Status& status = result.status;
  if (status.code != 0 || status.enhanced.present()) return status;
  return policy::local_status(result.stage, status.text);
}

journal::Event event_of(Fate fate) {
  switch (fate) {
    case Fate::kDelivered:
      return journal::Event::kDelivered;
    case Fate::kBounced:
      return journal::Event::kBounced;
    case Fate::kExpired:
      return journal::Event::kExpired;
    case Fate::kDeferred:
      break;
  }
  return journal::Event::kDeferred;
}

std::string journal_lines(const Conclusion& conclusion, WallTime now, std::string_view report_id) {
  const queue::Lease& lease = conclusion.lease;
  const std::string id = lease.message().id.to_string();
  journal::Record record;
  record.time = now;
  record.id = id;
  record.envelope = &lease.message().envelope;
  record.size = lease.message().size;
  record.site = conclusion.facts.site;
  record.host = conclusion.facts.host;
  record.ip = conclusion.facts.ip;
  record.tls = conclusion.facts.tls;
  record.source = conclusion.facts.source;
  record.attempts = lease.attempts() + 1;
  record.delay_seconds = std::chrono::duration<double>(now - lease.message().arrived).count();

  std::string lines;
  for (std::size_t i = 0; i < conclusion.fates.size(); ++i) {
    const std::string address = lease.recipients()[i].address.to_string();
    const Status status = shown_status(conclusion.results[i]);
    const Fate fate = conclusion.fates[i];
    record.event = event_of(fate);
    record.recipient = address;
    record.status = &status;
    record.next = fate == Fate::kDeferred ? conclusion.next_attempt : std::nullopt;
    const bool told = fate != Fate::kDeferred || conclusion.delay_due;
    record.report = told ? report_id : std::string_view{};
    journal::append_line(lines, record);
  }
  return lines;
}

void count(const Meters& meters, const Conclusion& conclusion, WallTime now) {
  meters.attempted.add();
  bool delivered = false;
  for (std::size_t i = 0; i < conclusion.fates.size(); ++i) {
    const Stage stage = conclusion.results[i].stage;
    switch (conclusion.fates[i]) {
      case Fate::kDelivered:
        meters.delivered.add();
        delivered = true;
        break;
      case Fate::kBounced:
        meters.bounced.at(stage).add();
        break;
      case Fate::kExpired:
        meters.expired.add();
        break;
      case Fate::kDeferred:
        meters.deferred.at(stage).add();
        break;
    }
  }
  if (!delivered) return;
  meters.bytes.add(conclusion.lease.message().size);
  meters.delivery_seconds.observe(
      std::chrono::duration<double>(now - conclusion.lease.message().released()).count());
}

std::optional<message::DsnAction> report_action(const Conclusion& conclusion, std::size_t i) {
  const Recipient& recipient = conclusion.lease.recipients()[i];
  switch (conclusion.fates[i]) {
    case Fate::kBounced:
    case Fate::kExpired:
      if (recipient.wants_failure_report()) return message::DsnAction::kFailed;
      break;
    case Fate::kDelivered:
      // RFC 3461 section 5.2.2: we answer for it where the next hop cannot.
      if ((recipient.notify & message::kNotifySuccess) != 0 && !conclusion.facts.dsn_passed) {
        return conclusion.facts.final_delivery ? message::DsnAction::kDelivered
                                               : message::DsnAction::kRelayed;
      }
      break;
    case Fate::kDeferred:
      // RFC 3461 section 4.1: without NOTIFY, delays may be told.
      if (conclusion.delay_due &&
          (recipient.notify == 0 || (recipient.notify & message::kNotifyDelay) != 0)) {
        return message::DsnAction::kDelayed;
      }
      break;
  }
  return std::nullopt;
}

// RFC 3464 section 2.3.5: by its name in the DNS. Behind a socket is a server of this machine.
const std::string& remote_mta(const Shared& shared, const AttemptFacts& facts) {
  return facts.host.starts_with(kSocketPrefix) ? shared.host_name : facts.host;
}

std::vector<message::DsnRecipient> report_recipients(const Shared& shared,
                                                     const Conclusion& conclusion) {
  std::vector<message::DsnRecipient> reported;
  // A report is never answered by a report (RFC 5321 section 6.1).
  if (conclusion.lease.message().envelope.sender.is_null()) return reported;
  for (std::size_t i = 0; i < conclusion.fates.size(); ++i) {
    const auto action = report_action(conclusion, i);
    if (!action) continue;
    message::DsnRecipient entry;
    entry.recipient = conclusion.lease.recipients()[i];
    entry.action = *action;
    entry.status = shown_status(conclusion.results[i]);
    entry.remote_mta = remote_mta(shared, conclusion.facts);
    if (*action == message::DsnAction::kDelayed) {
      entry.will_retry_until = conclusion.lease.message().expires;
    }
    reported.push_back(std::move(entry));
  }
  return reported;
}

// Octets of the largest message that a report returns whole. On a full disk none is.
std::size_t whole_max(const Shared& shared) {
  return shared.queue.is_short_of_space() ? 0 : shared.options.report_full_max;
}

queue::Submission make_report(Shared& shared, const Conclusion& conclusion,
                              std::vector<message::DsnRecipient> reported, WallTime now) {
  const queue::Message& original = conclusion.lease.message();
  for (const message::DsnRecipient& entry : reported) shared.meters.report(entry.action).add();
  message::DsnFacts facts;
  facts.reporting_mta = shared.host_name;
  facts.message_id = original.id.to_string();
  facts.envelope = original.envelope;
  facts.arrived = original.arrived;
  facts.now = now;
  facts.recipients = std::move(reported);

  queue::Submission report;
  report.id = shared.queue.next_id();
  const std::optional<message::Body>& whole = conclusion.lease.body();
  report.body = message::build_dsn(facts, whole.value_or(conclusion.beginning),
                                   whole ? whole_max(shared) : 0, shared.random);
  report.envelope = message::dsn_envelope(facts, report.body);
  report.band = original.band;
  report.recipients.push_back({original.envelope.sender, message::kNotifyNever, ""});
  report.expires = now + shared.options.retry.lifetime;

  journal::Record record;
  const std::string id = report.id.to_string();
  const std::string recipient = original.envelope.sender.to_string();
  record.time = now;
  record.event = journal::Event::kAccepted;
  record.id = id;
  record.envelope = &report.envelope;
  record.recipient = recipient;
  record.size = report.body.size();
  journal::append_line(report.events, record);
  return report;
}

void finish(Shared& shared, Conclusion conclusion, std::vector<message::DsnRecipient> reported) {
  const WallTime now = shared.clock.wall();
  queue::Completion completion;
  completion.attempted = conclusion.attempted;
  completion.delay_reported = std::ranges::any_of(
      reported, [](const auto& entry) { return entry.action == message::DsnAction::kDelayed; });
  if (!reported.empty()) {
    completion.report = make_report(shared, conclusion, std::move(reported), now);
  }
  const std::string report_id =
      completion.report ? completion.report->id.to_string() : std::string();
  if (conclusion.attempted) {
    completion.events = journal_lines(conclusion, now, report_id);
    count(shared.meters, conclusion, now);
  }
  completion.next_attempt = conclusion.next_attempt.value_or(now);
  for (std::size_t i = 0; i < conclusion.fates.size(); ++i) {
    if (conclusion.fates[i] == Fate::kDeferred) {
      completion.status = shown_status(conclusion.results[i]);
    }
  }
  completion.fates = std::move(conclusion.fates);
  shared.queue.finish(std::move(conclusion.lease), std::move(completion));
}

// The longest that a host has asked for.
std::optional<Seconds> asked_wait(const Conclusion& conclusion) {
  std::optional<Seconds> longest;
  if (conclusion.facts.host.empty()) return longest;  // our own words
  for (const smtp::RecipientResult& result : conclusion.results) {
    if (result.status.code / 100 != 4) continue;
    longest = std::max(longest, policy::asked_wait(result.status.text));
  }
  return longest;
}

// A conclusion whose report waits for the text it quotes.
struct Quoting {
  Shared& shared;
  Executor& executor;
  Conclusion conclusion;
  std::vector<message::DsnRecipient> reported;

  void go_on() { finish(shared, std::move(conclusion), std::move(reported)); }

  void note(const Error& error) const {
    log::error("delivery", "a report goes out without the message it is about",
               {{"id", conclusion.lease.message().id.to_string()}, {"error", error.text()}});
  }
};

// A text of up to a piece is read whole in any case.
bool needs_whole_text(const Shared& shared, const queue::Message& message) {
  if (message.size <= queue::Queue::kPieceSize) return true;
  return message.envelope.return_content == message::ReturnContent::kFull &&
         message.size <= whole_max(shared);
}

void quote_whole(Quoting quoting) {
  queue::Queue& queue = quoting.shared.queue;
  queue::Lease lease = std::move(quoting.conclusion.lease);
  queue.read_body(std::move(lease),
                  [quoting = std::move(quoting)](queue::Lease loaded, Result<void> read) mutable {
                    quoting.conclusion.lease = std::move(loaded);
                    if (!read) quoting.note(read.error());
                    Executor& executor = quoting.executor;
                    executor.post([quoting = std::move(quoting)]() mutable { quoting.go_on(); });
                  });
}

// The header section of a text that may be too large to be held.
void quote_beginning(Quoting all) {
  auto quoting = std::make_unique<Quoting>(std::move(all));  // what the call refers to stays
  Quoting& now = *quoting;
  now.shared.queue.read_piece(
      now.conclusion.lease, 0, [quoting = std::move(quoting)](Result<message::Body> piece) mutable {
        if (piece) {
          quoting->conclusion.beginning = std::move(*piece);
        } else {
          quoting->note(piece.error());
          if (queue::is_damage(piece.error())) {
            quoting->shared.queue.condemn(quoting->conclusion.lease);
          }
        }
        Executor& executor = quoting->executor;
        executor.post([quoting = std::move(quoting)]() mutable { quoting->go_on(); });
      });
}

// What remains once the fates are known: the report, which quotes the message, and the completion.
void wind_up(Shared& shared, Executor& executor, Conclusion conclusion) {
  const queue::Message& message = conclusion.lease.message();
  conclusion.delay_due =
      !conclusion.lease.delay_reported() &&
      policy::is_delay_notice_due(shared.options.retry, message.released(), shared.clock.wall());
  auto reported = report_recipients(shared, conclusion);
  if (reported.empty() || conclusion.lease.body()) {
    return finish(shared, std::move(conclusion), std::move(reported));
  }
  Quoting quoting{shared, executor, std::move(conclusion), std::move(reported)};
  if (needs_whole_text(shared, message)) return quote_whole(std::move(quoting));
  quote_beginning(std::move(quoting));
}

}  // namespace

void conclude(Shared& shared, Executor& executor, queue::Lease lease,
              std::vector<smtp::RecipientResult> results, AttemptFacts facts) {
  Conclusion conclusion{std::move(lease), std::move(results), std::move(facts)};
  const queue::Message& message = conclusion.lease.message();
  conclusion.next_attempt = policy::next_attempt(
      shared.options.retry, conclusion.lease.attempts() + 1, shared.clock.wall(), message.expires,
      shared.random, asked_wait(conclusion));
  for (const smtp::RecipientResult& result : conclusion.results) {
    conclusion.fates.push_back(
        fate_of(result, conclusion.facts.replies, conclusion.next_attempt.has_value()));
  }
  wind_up(shared, executor, std::move(conclusion));
}

void conclude_all(Shared& shared, Executor& executor, queue::Lease lease, Stage stage,
                  const Status& status, AttemptFacts facts) {
  std::vector<smtp::RecipientResult> results(lease.recipients().size(), {stage, status});
  conclude(shared, executor, std::move(lease), std::move(results), std::move(facts));
}

void put_off(Shared& shared, Executor& executor, queue::Lease lease, WallTime until,
             const Status& status) {
  const std::size_t count = lease.recipients().size();
  Conclusion conclusion{std::move(lease), {count, {Stage::kConnect, status}}, {}};
  conclusion.fates.assign(count, Fate::kDeferred);
  conclusion.next_attempt = until;
  conclusion.attempted = false;
  wind_up(shared, executor, std::move(conclusion));
}

}  // namespace postrider::delivery
