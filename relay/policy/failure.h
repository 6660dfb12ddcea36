// Outcome policy: what (stage, status) means for a recipient and for the destination. The one file
// that turns a failure into an action; its test reads like the manual. Pure.
//
// Order of judgement: enhanced code, then reply code, then text. Sources: RFC 5321
// sections 3.8, 4.2, 4.5.3.1.10, 4.5.4.1, 6.1; RFC 3463; RFC 7504; RFC 7505.
#pragma once

#include "relay/message/status.h"

namespace postrider::policy {

enum class Action {
  kDelivered,
  kRetryLater,  // this recipient, by its schedule
  kBounce,      // this recipient, now
};

enum class SiteEffect {
  kNone,
  kNextHost,  // this host cannot serve us now: another address or host of the site may
  kSlowDown,  // the destination asks for less: fewer connections, later
  kRest,      // the destination wants nothing of us for a while
};

// Of kNextHost the action is what holds when no host is left to try.
struct Judgement {
  Action action = Action::kRetryLater;
  SiteEffect effect = SiteEffect::kNone;

  bool operator==(const Judgement&) const = default;
};

// `status.code` 0: no reply (connection refused, lost, timed out, handshake failed).
Judgement judge(message::Stage stage, const message::Status& status);

// Whether a reply to MAIL on a connection that has carried others says that this connection has
// carried enough, and nothing about the message.
bool wants_new_connection(message::Stage stage, const message::Status& status);

// The status to report for a failure that had no reply: code 0, a 4.4.x (4.7.x for TLS) enhanced
// code and `text`. judge() takes it as what it is: no reply.
message::Status local_status(message::Stage stage, std::string_view text);

}  // namespace postrider::policy
