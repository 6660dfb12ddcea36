#include "relay/message/dsn_text.h"

#include <algorithm>
#include <array>

#include "relay/message/dsn_fields.h"
#include "relay/message/dsn_lines.h"

namespace postrider::message {

namespace {

constexpr std::size_t kNameMax = 400;  // octets of an address or host name

// What an enhanced code (RFC 3463) means to the writer of a message. Detail kAny stands for all
// that have no row of their own; rows are searched in order.
struct Meaning {
  std::uint16_t subject;
  std::uint16_t detail;
  std::string_view text;
};

constexpr std::uint16_t kAny = 0xFFFF;

constexpr std::string_view kExpired =
    "This was tried again and again for as long as the relay keeps mail, without success. The "
    "address may well be right: the other side could not be reached, or kept asking to wait. Send "
    "the message again later, or find another way to reach this person.";

constexpr std::string_view kUnknown =
    "The answer above tells why. If it does not help, ask the mail administrator of either side "
    "and show this report.";

constexpr std::array kMeanings = {
    Meaning{1, 1,
            "There is no mailbox of this name. Check the spelling of the address, or ask the "
            "person for the current one."},
    Meaning{1, 2,
            "The part of the address behind the @ is no domain that receives mail. Check its "
            "spelling."},
    Meaning{1, 6, "The mailbox has moved and left no new address. Ask the person for it."},
    Meaning{1, 8,
            "The other side does not accept your own address as a sender. Your mail administrator "
            "can find out why."},
    Meaning{1, 10, "This domain states that it receives no mail at all. Check the spelling."},
    Meaning{1, kAny, "The other side does not accept this address. Check its spelling."},
    Meaning{2, 1,
            "The mailbox exists, but is closed or not in use. Reach the person in another way."},
    Meaning{2, 2,
            "The mailbox is full. The person has to make room; send the message again after that."},
    Meaning{2, 3, "The message is larger than this mailbox takes. Send a smaller one."},
    Meaning{2, kAny, "The mailbox could not take the message. Send it again later."},
    Meaning{3, 4,
            "The message is larger than the other side takes. Send a smaller one, for instance "
            "with a link in place of attached files."},
    Meaning{3, kAny, "The other side's mail system could not take the message. Send it later."},
    Meaning{4, 6,
            "The message went round in circles between mail systems. The mail administrator of "
            "this domain has to repair that."},
    Meaning{4, 7, kExpired},
    Meaning{4, kAny,
            "The mail system of this domain could not be reached. Check the spelling of the part "
            "behind the @; if it is right, send the message again later."},
    Meaning{5, kAny,
            "The two mail systems could not agree on how to transfer the message. Your mail "
            "administrator can find out why."},
    Meaning{6, kAny,
            "The other side cannot handle the form of this message, for instance addresses or "
            "text that are not plain English letters."},
    Meaning{7, kAny,
            "The other side refuses the message by its own rules, often because it takes it for "
            "unwanted mail or cannot verify the sender. Its answer above may tell more; your mail "
            "administrator can help."},
};

std::string_view meaning_of(const DsnRecipient& recipient) {
  const EnhancedCode code = reported_status(recipient);
  // Failed on a temporary answer: the time was up.
  if (code.cls == 4) return kExpired;
  const auto* const row =
      std::find_if(kMeanings.begin(), kMeanings.end(), [&](const Meaning& meaning) {
        return meaning.subject == code.subject &&
               (meaning.detail == code.detail || meaning.detail == kAny);
      });
  return row == kMeanings.end() ? kUnknown : row->text;
}

struct Wording {
  DsnAction action;
  std::string_view subject;
  std::string_view intro;
};

// In the order in which a reader wants to know.
constexpr std::array kWordings = {
    Wording{DsnAction::kFailed, "Your message could not be delivered",
            "Your message could not be delivered to the recipients named here. This is final: the "
            "relay has stopped trying."},
    Wording{DsnAction::kDelayed, "Your message is delayed",
            "Your message has not reached the recipients named here yet. You need not do anything, "
            "and need not send it again: the relay keeps trying by itself."},
    Wording{DsnAction::kDelivered, "Your message was delivered",
            "Your message was delivered to the recipients named here. You asked to be told."},
    Wording{DsnAction::kRelayed, "Your message was passed on",
            "Your message was passed on to the mail system of the recipients named here, which "
            "does not send confirmations. You asked to be told; there may be no further report."},
};

bool has_action(const DsnFacts& facts, DsnAction action) {
  return std::any_of(facts.recipients.begin(), facts.recipients.end(),
                     [&](const DsnRecipient& recipient) { return recipient.action == action; });
}

void append_reason(std::string& out, const DsnRecipient& recipient) {
  const std::string line = recipient.status.to_line();
  if (line.empty()) return;
  if (recipient.remote_mta.empty()) {
    append_paragraph(out, "    ", "The reason:");
  } else if (recipient.status.code == 0) {
    append_paragraph(out, "    ",
                     "With the mail host " + clean_text(recipient.remote_mta, kNameMax, false) +
                         " this happened:");
  } else {
    append_paragraph(
        out, "    ",
        "The mail host " + clean_text(recipient.remote_mta, kNameMax, false) + " answered:");
  }
  append_paragraph(out, "      ", line);
}

void append_recipient(std::string& out, const DsnRecipient& recipient, bool global) {
  const std::string address = recipient.recipient.address.to_string();
  out += "\r\n";
  append_paragraph(out, "  ", "<" + clean_text(address, kNameMax, global) + ">");
  append_reason(out, recipient);
  if (recipient.action == DsnAction::kFailed) {
    append_paragraph(out, "    ", meaning_of(recipient));
  } else if (recipient.action == DsnAction::kDelayed && recipient.will_retry_until) {
    append_paragraph(out, "    ",
                     "The relay gives up, and tells you so, if it has not succeeded by " +
                         to_rfc5322(*recipient.will_retry_until) + ".");
  }
}

}  // namespace

std::string_view report_subject(const DsnFacts& facts) {
  const Wording* found = nullptr;
  for (const Wording& wording : kWordings) {
    if (!has_action(facts, wording.action)) continue;
    if (found == nullptr) {
      found = &wording;
    } else {
      return "What became of your message";
    }
  }
  return found == nullptr ? kWordings[0].subject : found->subject;
}

std::string report_text(const DsnFacts& facts) {
  std::string out;
  const bool global = is_global(facts);
  append_paragraph(out, "",
                   "This report was written by the mail relay " +
                       clean_text(facts.reporting_mta, kNameMax, false) +
                       ". It is about the message that you sent, and that the relay received on " +
                       to_rfc5322(facts.arrived) + ".");
  for (const Wording& wording : kWordings) {
    if (!has_action(facts, wording.action)) continue;
    out += "\r\n";
    append_paragraph(out, "", wording.intro);
    for (const DsnRecipient& recipient : facts.recipients) {
      if (recipient.action == wording.action) append_recipient(out, recipient, global);
    }
  }
  out += "\r\n";
  append_paragraph(out, "",
                   "The next part of this report is for programs. After it comes what is returned "
                   "of your message. If you ask for help, show all of this; the relay knows the "
                   "message as " +
                       clean_text(facts.message_id, kNameMax, false) + ".");
  return out;
}

}  // namespace postrider::message
