// Delivery status notifications: RFC 3461 section 6, RFC 3464, RFC 4865 section 5.1, RFC 6522,
// RFC 3834.
// Thread: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/random.h"
#include "relay/message/body.h"
#include "relay/message/envelope.h"
#include "relay/message/status.h"

namespace postrider::message {

enum class DsnAction { kFailed, kDelayed, kDelivered, kRelayed };

struct DsnRecipient {
  Recipient recipient;
  DsnAction action = DsnAction::kFailed;
  Status status;  // enhanced code is filled in from the reply code where the peer gave none
  std::string remote_mta;                    // host that said it, or "" for our own verdict
  std::optional<WallTime> will_retry_until;  // for kDelayed
  std::optional<WallTime> last_attempt;      // not given: the report is made right after it
};

struct DsnFacts {
  std::string reporting_mta;  // our host name
  std::string message_id;     // queue id of the message reported on
  Envelope envelope;          // of the message reported on; its sender receives the report
  WallTime arrived;
  WallTime now;
  std::vector<DsnRecipient> recipients;  // at least one
};

// The report as a message: From MAILER-DAEMON@reporting_mta, To the sender, Auto-Submitted,
// multipart/report with its own random boundary. The original is returned whole where RET=FULL was
// asked, a recipient failed (RFC 3461 section 4.3), it is no larger than `full_max` octets and no
// line of it is over 998; its headers (at most 32 KiB, lines cut at 998) otherwise; nothing where
// it has none. An original that is not pure ASCII is declared 8bit. Remote text is reduced to
// printable ASCII and cut. When the original used SMTPUTF8 the report is in the RFC 6533 form
// (message/global-delivery-status). Must not be called for a message with a null sender: such a
// report has nowhere to go.
Body build_dsn(const DsnFacts& facts, const Body& original, std::size_t full_max, Random& random);

// The report's envelope: null sender, BODY and SMTPUTF8 as its text needs, tenant and priority of
// the original.
Envelope dsn_envelope(const DsnFacts& facts, const Body& report);

}  // namespace postrider::message
