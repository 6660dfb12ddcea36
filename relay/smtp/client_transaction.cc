// ClientSession: one transaction, from MAIL to the reply, or by LMTP the replies, to the final dot.
#include <algorithm>
#include <utility>

#include "relay/base/check.h"
#include "relay/message/utf8.h"
#include "relay/smtp/client_machine.h"
#include "relay/smtp/data_codec.h"

namespace postrider::smtp {

using message::Recipient;
using message::Stage;
using message::Status;

namespace {

// What is stored was checked when it came; this keeps damage from becoming a second command.
bool is_sendable(std::string_view text, bool utf8) {
  return !message::has_control(text) && (utf8 || message::is_ascii(text));
}

std::uint64_t size_of(const Transaction& transaction) {
  return transaction.pieces ? transaction.pieces->size : transaction.body.size();
}

// What counts is the text: a client may say 8BITMIME of one that is plain, or forget to say it.
bool is_seven_bit(const Transaction& transaction) {
  if (transaction.pieces) return transaction.pieces->seven_bit;
  const auto& chunks = transaction.body.chunks();
  return std::all_of(chunks.begin(), chunks.end(),
                     [](const Chunk& chunk) { return message::is_ascii(chunk.view()); });
}

std::string in_brackets(const message::Address& address) {
  if (address.domain.empty()) return "<" + address.local + ">";
  return "<" + address.to_string() + ">";
}

bool is_no_such_command(int code) {
  return (code >= 500 && code <= 504) || code == 555;
}

std::string notify_value(std::uint8_t bits) {
  if ((bits & message::kNotifyNever) != 0) return "NEVER";
  std::string value;
  const auto add = [&](std::uint8_t bit, std::string_view name) {
    if ((bits & bit) == 0) return;
    if (!value.empty()) value += ',';
    value += name;
  };
  add(message::kNotifySuccess, "SUCCESS");
  add(message::kNotifyFailure, "FAILURE");
  add(message::kNotifyDelay, "DELAY");
  return value;
}

}  // namespace

void ClientSession::Machine::begin_transaction() {
  const std::size_t count = transaction_.recipients.size();
  verdicts_.assign(count, Verdict::kOpen);
  results_.assign(count, RecipientResult{});
  any_answer_ = text_under_way_ = text_cut_short_ = text_asked_ = false;
  if (phase_ == Phase::kEnded) {
    break_off(Stage::kMail, {0, {}, "the session had ended"});
    return;
  }
  phase_ = Phase::kTransaction;
  if (replies_.in_reply()) {
    // The beginning of a reply that nothing asked for: its end would pass for the reply to MAIL.
    end(Stage::kMail, {0, {}, "the server sent a reply to nothing"}, false);
    return;
  }
  if (const std::optional<Status> refusal = local_refusal()) {
    decide_rest(Stage::kMail, *refusal);
  } else {
    refuse_unsendable();
  }
  if (!any(Verdict::kOpen)) {
    finish_transaction();
    return;
  }
  if (reset_needed_) add_step(StepKind::kReset);
  add_step(StepKind::kMail);
  for (std::size_t at = 0; at < count; ++at) {
    if (verdicts_[at] == Verdict::kOpen) add_step(StepKind::kRecipient, at);
  }
  add_step(uses_bdat() ? StepKind::kText : StepKind::kData);
  advance();
}

// Why this peer cannot have this message, as far as we can tell ourselves.
std::optional<Status> ClientSession::Machine::local_refusal() {
  const message::Envelope& envelope = transaction_.envelope;
  const std::uint64_t size = size_of(transaction_);
  if (capabilities_.size_max > 0 && size > capabilities_.size_max) {
    return Status{552,
                  {5, 3, 4},
                  "message of " + std::to_string(size) + " octets is above the server's limit of " +
                      std::to_string(capabilities_.size_max)};
  }
  if (!capabilities_.eight_bit_mime && !is_seven_bit(transaction_)) {
    return Status{554, {5, 6, 3}, "message is 8bit and the server does not offer 8BITMIME"};
  }
  if (envelope.smtputf8 && !capabilities_.smtputf8) {
    return Status{550, {5, 6, 7}, "message needs SMTPUTF8 and the server does not offer it"};
  }
  if (!is_sendable(envelope.sender.to_string(), envelope.smtputf8)) {
    return Status{553, {5, 1, 7}, "sender address cannot be written in SMTP"};
  }
  return encode_text();
}

std::optional<Status> ClientSession::Machine::encode_text() {
  if (!transaction_.pieces) {
    text_ = uses_bdat() ? encode_bdat(transaction_.body) : encode_data(transaction_.body);
  } else if (transaction_.pieces->canonical) {
    encoder_.emplace(*transaction_.pieces, uses_bdat());
  }
  if (!text_ && !encoder_) return Status{554, {5, 6, 0}, "message text holds a bare CR or LF"};
  return std::nullopt;
}

void ClientSession::Machine::refuse_unsendable() {
  for (std::size_t at = 0; at < transaction_.recipients.size(); ++at) {
    const std::string address = transaction_.recipients[at].address.to_string();
    if (is_sendable(address, transaction_.envelope.smtputf8)) continue;
    decide(at, Stage::kRecipient, {553, {5, 1, 3}, "address cannot be written in SMTP"});
  }
}

// --- Commands ---

void ClientSession::Machine::append_mail() {
  const message::Envelope& envelope = transaction_.envelope;
  commands_ += "MAIL FROM:" + in_brackets(envelope.sender);
  if (capabilities_.size) commands_ += " SIZE=" + std::to_string(size_of(transaction_));
  if (capabilities_.eight_bit_mime && (envelope.eight_bit || !is_seven_bit(transaction_))) {
    commands_ += " BODY=8BITMIME";
  }
  if (envelope.smtputf8) commands_ += " SMTPUTF8";
  // RFC 6710 section 4.2: also where nobody asked for one.
  if (capabilities_.mt_priority) commands_ += " MT-PRIORITY=" + std::to_string(envelope.priority);
  if (!capabilities_.dsn) return;
  if (envelope.return_content == message::ReturnContent::kFull) commands_ += " RET=FULL";
  if (envelope.return_content == message::ReturnContent::kHeaders) commands_ += " RET=HDRS";
  if (!envelope.envelope_id.empty() && is_sendable(envelope.envelope_id, false)) {
    commands_ += " ENVID=" + envelope.envelope_id;
  }
}

void ClientSession::Machine::append_recipient(const Recipient& recipient) {
  commands_ += "RCPT TO:" + in_brackets(recipient.address);
  if (!capabilities_.dsn) return;
  if (recipient.notify != 0) commands_ += " NOTIFY=" + notify_value(recipient.notify);
  if (!recipient.original.empty() &&
      is_sendable(recipient.original, transaction_.envelope.smtputf8)) {
    commands_ += " ORCPT=" + recipient.original;
  }
}

// With nobody to receive it, a text that the server waits for all the same is a lone dot (RFC 2920
// section 3.1): never the message. By BDAT no server waits for one.
void ClientSession::Machine::send_text() {
  if (any(Verdict::kAccepted)) {
    if (is_lmtp()) steps_[sent_ - 1].recipient = first_accepted();
    text_under_way_ = true;
    if (encoder_) {
      steps_[sent_ - 1].batch = text_batch_ = kNoBatch;
      return ask_text();
    }
    push_chunks(std::move(*text_));
  } else {
    push_chunks({lone_dot()});
  }
  text_.reset();
  encoder_.reset();
}

void ClientSession::Machine::ask_text() {
  text_asked_ = true;
  actions_.push_back(AskText{});
}

void ClientSession::Machine::text(const message::Body& piece, TimePoint now) {
  if (!std::exchange(text_asked_, false)) return;
  now_ = now;
  auto chunks = encoder_->encode(piece);
  if (!chunks) {
    const Status status{451, {4, 3, 0}, "the message text is not what it was"};
    return end(Stage::kEndOfData, status, false);
  }
  if (encoder_->done()) {
    encoder_.reset();
    text_batch_ = batches_ + 1;
    // By LMTP there may be more than one: a reply that came before the text was sent.
    for (Step& step : steps_) {
      if (step.batch == kNoBatch) step.batch = text_batch_;
    }
  }
  push_chunks(std::move(*chunks));
}

void ClientSession::Machine::text_failed(std::string_view reason, TimePoint now) {
  if (!std::exchange(text_asked_, false)) return;
  now_ = now;
  end(Stage::kEndOfData, {451, {4, 3, 0}, std::string(reason)}, false);
}

// --- Replies ---

// Not of this transaction yet: what it says is no answer to it, and a refusal is no verdict on its
// recipients.
void ClientSession::Machine::on_reset() {
  any_answer_ = false;
  reset_needed_ = false;
  if (replies_.code() == 250) return;
  end(Stage::kMail, {0, {}, "unexpected reply to RSET: " + replies_.status().to_line()}, false);
}

void ClientSession::Machine::on_mail() {
  const Status status = replies_.status();
  if (status.code < 300) {
    reset_needed_ = true;
  } else if (status.code < 400) {
    end_at_answered();
  } else {
    decide_rest(Stage::kMail, status);
    drop_unsent_steps();
  }
}

void ClientSession::Machine::on_recipient() {
  const std::size_t at = steps_[answered_ - 1].recipient;
  // Behind a refused MAIL the pipelined recipients are refused too, and that is no news.
  if (verdicts_[at] == Verdict::kDecided) return;
  const Status status = replies_.status();
  if (status.code < 300) {
    verdicts_[at] = Verdict::kAccepted;
  } else if (status.code < 400) {
    end_at_answered();
    return;
  } else {
    decide(at, Stage::kRecipient, status);
    if (!any(Verdict::kOpen) && !any(Verdict::kAccepted)) drop_unsent_steps();
  }
}

void ClientSession::Machine::on_data() {
  const Status status = replies_.status();
  if (status.code == 354) {
    if (is_lmtp() && !any(Verdict::kAccepted)) {
      // RFC 2033 section 4.2: DATA for nobody is refused; a text for nobody would have no reply.
      end(Stage::kData, {0, {}, "the server wants a text that nobody is to get"}, false);
      return;
    }
    add_step(StepKind::kText);
  } else if (status.code < 400) {
    end_at_answered();
  } else {
    decide_rest(Stage::kData, status);
  }
}

void ClientSession::Machine::on_text() {
  const Status status = replies_.status();
  if (uses_bdat() && is_no_such_command(status.code)) return refuse_bdat(status);
  const Step step = steps_[answered_ - 1];
  const bool early = step.batch > batches_sent_;
  if (status.code >= 300 && status.code < 400) {
    end_at_answered();
    return;
  }
  if (early && status.code < 300) {
    end(Stage::kEndOfData, {0, {}, "the server accepted the message before it was sent"}, false);
    return;
  }
  text_cut_short_ = early;
  if (is_lmtp()) {
    decide(step.recipient, Stage::kEndOfData, status);
  } else {
    decide_rest(Stage::kEndOfData, status);
  }
  text_under_way_ = any(Verdict::kAccepted);
  // RFC 3030 section 2: behind a chunk that was refused the server wants RSET.
  reset_needed_ = uses_bdat() && status.code >= 400;
  if (text_under_way_) await_next_reply(step);
}

// The server reads the chunk as commands: nothing may follow it. No verdict on the mail.
void ClientSession::Machine::refuse_bdat(const Status& status) {
  end(Stage::kEndOfData,
      {451,
       {4, 5, 1},
       "the server offers CHUNKING and does not know BDAT (delivery.chunking): " +
           status.to_line()},
      false);
}

// RFC 2033 section 4.2: the text has one more reply, as if one more command had been sent with it.
void ClientSession::Machine::await_next_reply(Step step) {
  step.recipient = first_accepted();
  ++step.ahead;
  step.due += kPipelinedAllowance;
  steps_.push_back(step);
  ++sent_;
}

// --- Outcome ---

void ClientSession::Machine::decide(std::size_t recipient, Stage stage, const Status& status) {
  verdicts_[recipient] = Verdict::kDecided;
  results_[recipient] = {stage, status};
}

void ClientSession::Machine::decide_rest(Stage stage, const Status& status) {
  for (std::size_t at = 0; at < verdicts_.size(); ++at) {
    if (verdicts_[at] != Verdict::kDecided) decide(at, stage, status);
  }
}

bool ClientSession::Machine::any(Verdict verdict) const {
  return std::find(verdicts_.begin(), verdicts_.end(), verdict) != verdicts_.end();
}

// Recipients are asked about, and so accepted, in their order.
std::size_t ClientSession::Machine::first_accepted() const {
  const auto found = std::find(verdicts_.begin(), verdicts_.end(), Verdict::kAccepted);
  return static_cast<std::size_t>(found - verdicts_.begin());
}

void ClientSession::Machine::drop_unsent_steps() {
  steps_.erase(steps_.begin() + static_cast<std::ptrdiff_t>(sent_), steps_.end());
}

// All that was asked is answered.
void ClientSession::Machine::finish_transaction() {
  PR_CHECK(!any(Verdict::kOpen) && !any(Verdict::kAccepted));
  TransactionDone done;
  report(std::move(done));
  if (text_cut_short_) {
    // What is left of the text is still going out: the server would take it for commands.
    end(Stage::kEndOfData, {0, {}, "the server replied before the whole text was sent"}, false);
  } else {
    become_ready();
  }
}

// The connection ends within the transaction.
void ClientSession::Machine::break_off(Stage stage, const Status& status) {
  TransactionDone done;
  const bool dot_sent = text_under_way_ && text_batch_ <= batches_sent_;
  done.final_reply_lost = dot_sent && status.code == 0;
  // A 421 in place of the first answer on a connection used before: it had timed out there.
  done.untouched = !any_answer_ && (status.code == 0 || transactions_ > 0);
  decide_rest(stage, status);
  report(std::move(done));
}

void ClientSession::Machine::report(TransactionDone done) {
  ++transactions_;
  done.results = std::move(results_);
  actions_.push_back(std::move(done));
  phase_ = Phase::kReady;
  transaction_ = {};
  text_.reset();
  encoder_.reset();
  text_asked_ = false;
  verdicts_.clear();
  results_.clear();
}

}  // namespace postrider::smtp
