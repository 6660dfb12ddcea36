#include "relay/policy/failure.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "relay/base/ascii.h"

namespace postrider::policy {

namespace {

using message::Stage;
using message::Status;

constexpr Judgement kRetry{Action::kRetryLater, SiteEffect::kNone};
constexpr Judgement kRetryNextHost{Action::kRetryLater, SiteEffect::kNextHost};
constexpr Judgement kRetrySlower{Action::kRetryLater, SiteEffect::kSlowDown};
constexpr Judgement kBounce{Action::kBounce, SiteEffect::kNone};
constexpr Judgement kBounceNextHost{Action::kBounce, SiteEffect::kNextHost};
constexpr Judgement kDelivered{Action::kDelivered, SiteEffect::kNone};

// First part: what a reply means by its stage and class alone. A connection that breaks before the
// final dot, or a host that turns us away at the door, is the host's trouble, not the recipient's
// (RFC 5321 sections 3.1, 4.2.1, 5.1): another host may serve us, and when none is left, later. A
// connection that breaks behind the final dot may have delivered (RFC 1047), so that no other host
// is tried at once: each try could be one more copy. A refusal of our credentials or of TLS is for
// an operator to mend, not a verdict on mail.
struct Row {
  Stage stage;
  Judgement no_reply;
  Judgement transient;
  Judgement permanent;
};

// clang-format off
constexpr std::array<Row, 11> kByStage = {{
    //                   no reply        4xx             5xx
    {Stage::kRoute,      kRetry,         kRetry,         kBounce},
    // A code here is ours: no address of the host may be connected to.
    {Stage::kConnect,    kRetryNextHost, kRetryNextHost, kBounceNextHost},
    {Stage::kGreeting,   kRetryNextHost, kRetryNextHost, kRetryNextHost},
    {Stage::kHello,      kRetryNextHost, kRetryNextHost, kRetryNextHost},
    {Stage::kStartTls,   kRetryNextHost, kRetryNextHost, kRetryNextHost},
    {Stage::kHandshake,  kRetryNextHost, kRetryNextHost, kRetryNextHost},
    {Stage::kAuth,       kRetryNextHost, kRetryNextHost, kRetryNextHost},
    {Stage::kMail,       kRetryNextHost, kRetry,         kBounce},
    {Stage::kRecipient,  kRetryNextHost, kRetry,         kBounce},
    {Stage::kData,       kRetryNextHost, kRetry,         kBounce},
    {Stage::kEndOfData,  kRetry,         kRetry,         kBounce},
}};
// clang-format on

// Second part: what the reply says more exactly. The first rule that fits decides.
using Stages = unsigned;

constexpr Stages only(std::initializer_list<Stage> stages) {
  Stages set = 0;
  for (const Stage stage : stages) set |= 1U << static_cast<unsigned>(stage);
  return set;
}

constexpr Stages kDoor = only({Stage::kGreeting, Stage::kHello});
constexpr Stages kMailing =
    only({Stage::kMail, Stage::kRecipient, Stage::kData, Stage::kEndOfData});
constexpr Stages kDialog = kDoor | kMailing;

struct Codes {
  int first;
  int last;
};

constexpr Codes k4xx{400, 499};
constexpr Codes k5xx{500, 599};

constexpr Codes code(int one) {
  return {one, one};
}

// Subject and details of an enhanced code. It counts if its class is that of the reply code (RFC
// 2034 section 4); otherwise the reply code alone is believed.
struct Enhanced {
  int subject;
  int first;
  int last;
};

constexpr Enhanced kWhatever{-1, 0, 0};
constexpr Enhanced kAbsent{-2, 0, 0};

constexpr Enhanced x(int subject, int detail) {
  return {subject, detail, detail};
}

constexpr Enhanced all_of(int subject) {
  return {subject, 0, 999};
}

enum class Words { kAny, kGreylisting, kOfOneMessage, kRate };

struct Rule {
  Stages stages;
  Codes codes;
  Enhanced enhanced;
  Words words;
  Judgement judgement;
};

constexpr Rule kRules[] = {
    // The first try of an unknown sender is put off; fewer connections would change nothing.
    {kMailing, k4xx, kWhatever, Words::kGreylisting, kRetry},

    // By enhanced code (RFC 3463). About an address or a mailbox; 4.2.1 may be about our rate too.
    {kMailing, k4xx, all_of(1), Words::kAny, kRetry},
    {kMailing, k4xx, x(2, 2), Words::kAny, kRetry},
    // X.5.3 too many recipients: the rest goes in another transaction.
    {kMailing, k4xx, x(5, 3), Words::kAny, kRetry},
    {kMailing, k5xx, x(5, 3), Words::kAny, kRetry},
    // X.7.20 to X.7.27: how the message proves its sender (RFC 7372, RFC 7505).
    {kMailing, k4xx, {7, 20, 27}, Words::kAny, kRetry},
    {kDoor, k4xx, {7, 20, 27}, Words::kAny, kRetryNextHost},
    // 4.7.*: how the large providers ask for less; 4.4.5: congestion.
    {kDialog, k4xx, all_of(7), Words::kAny, kRetrySlower},
    {kDialog, k4xx, x(4, 5), Words::kAny, kRetrySlower},
    // X.3.1 storage full, X.3.2 shutting down or overloaded: this host, not its neighbour.
    {kDialog, k4xx, {3, 1, 2}, Words::kAny, kRetryNextHost},
    {kMailing, k5xx, x(3, 2), Words::kAny, kBounceNextHost},

    // By reply code and what goes with it. 421: the host closes the connection, at any time (RFC
    // 5321 section 3.8), which is a wish for less if it says so.
    {kDialog, code(421), kWhatever, Words::kOfOneMessage, kRetryNextHost},
    {kDialog, code(421), kWhatever, Words::kRate, kRetrySlower},
    {kDialog, code(421), kWhatever, Words::kAny, kRetryNextHost},
    // RFC 7504: no mail is accepted here, now or later. Another host of the domain may differ.
    {kDialog, code(521), kWhatever, Words::kAny, kBounceNextHost},
    {kDoor, code(556), kWhatever, Words::kAny, kBounceNextHost},
    // They want TLS or a login, which this connection does not have.
    {kMailing, code(530), kWhatever, Words::kAny, kRetryNextHost},
    {kMailing, code(538), kWhatever, Words::kAny, kRetryNextHost},
    // Too many recipients in the words of RFC 821 (RFC 5321 section 4.5.3.1.10). With an enhanced
    // code it is what that says: a full mailbox, a message too large.
    {only({Stage::kRecipient}), code(552), kAbsent, Words::kAny, kRetry},

    // By text: a wish for less without a code for it. At the door, a 5xx too.
    {kMailing, k4xx, kWhatever, Words::kOfOneMessage, kRetry},
    {kDialog, k4xx, kWhatever, Words::kRate, kRetrySlower},
    {kDoor, k5xx, kWhatever, Words::kRate, kRetrySlower},
};

// In lower case. What a rule looks for are words that servers use, in any of their spellings.
constexpr std::string_view kGreylistingWords[] = {"greylist",  "graylist",  "grey-list",
                                                  "gray-list", "grey list", "gray list"};
// "Too many" of what belongs to one message or session says nothing about our rate.
constexpr std::string_view kOneMessageWords[] = {"too many recipients", "too many rcpt",
                                                 "too many hops",       "too many received",
                                                 "too many errors",     "too many invalid"};
constexpr std::string_view kRateWords[] = {
    "too many",        "rate limit",       "rate-limit",
    "ratelimit",       "at a rate",        "throttl",
    "too fast",        "too quick",        "slow down",
    "unusual rate",    "sending rate",     "message rate",
    "connection rate", "connection limit", "concurrent connections"};

std::span<const std::string_view> list_of(Words words) {
  switch (words) {
    case Words::kGreylisting:
      return kGreylistingWords;
    case Words::kOfOneMessage:
      return kOneMessageWords;
    case Words::kRate:
      return kRateWords;
    case Words::kAny:
      break;
  }
  return {};
}

bool says(const std::string& lower_text, Words words) {
  if (words == Words::kAny) return true;
  const auto list = list_of(words);
  return std::any_of(list.begin(), list.end(), [&](std::string_view one) {
    return lower_text.find(one) != std::string::npos;
  });
}

bool fits(const Enhanced& wanted, const Status& status) {
  const bool given = status.enhanced.present() && status.enhanced.cls == status.code / 100;
  if (wanted.subject == kWhatever.subject) return true;
  if (wanted.subject == kAbsent.subject) return !given;
  return given && status.enhanced.subject == wanted.subject &&
         status.enhanced.detail >= wanted.first && status.enhanced.detail <= wanted.last;
}

std::optional<Judgement> by_rule(Stage stage, const Status& status) {
  const std::string lower_text = ascii::lower(status.text);
  for (const Rule& rule : kRules) {
    if ((rule.stages & only({stage})) != 0 && status.code >= rule.codes.first &&
        status.code <= rule.codes.last && fits(rule.enhanced, status) &&
        says(lower_text, rule.words)) {
      return rule.judgement;
    }
  }
  return std::nullopt;
}

}  // namespace

Judgement judge(Stage stage, const Status& status) {
  const Row& row = kByStage[static_cast<std::size_t>(stage)];
  if (status.code == 0) return row.no_reply;
  if (stage == Stage::kEndOfData && status.code / 100 == 2) return kDelivered;
  if (const auto judgement = by_rule(stage, status)) return *judgement;
  // A code that has no meaning here (a 250 to DATA, a 700) is no verdict: as 4xx.
  return status.is_permanent() ? row.permanent : row.transient;
}

bool wants_new_connection(Stage stage, const Status& status) {
  // X.5.3 is about too many recipients, of which MAIL has none: OpenSMTPD says so to each message
  // behind the hundredth (452, and the connection stays open).
  return stage == Stage::kMail && status.is_transient() && fits(x(5, 3), status);
}

message::Status local_status(Stage stage, std::string_view text) {
  // RFC 3463: X.4.1 no answer from host, X.4.2 bad connection, X.4.3 directory server failure,
  // X.7.0 other security, X.7.5 cryptographic failure.
  message::EnhancedCode enhanced{4, 4, 2};
  if (stage == Stage::kRoute) enhanced = {4, 4, 3};
  if (stage == Stage::kConnect) enhanced = {4, 4, 1};
  if (stage == Stage::kStartTls) enhanced = {4, 7, 0};
  if (stage == Stage::kHandshake) enhanced = {4, 7, 5};
  return {0, enhanced, std::string(text)};
}

}  // namespace postrider::policy
