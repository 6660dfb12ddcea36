// Report: turns what an attempt met into its completion: fates, next attempt, journal lines,
// notification. Thread: any; holds nothing.
#pragma once

#include <string>
#include <vector>

#include "queue/queue.h"
#include "relay/base/executor.h"
#include "relay/delivery/shared.h"
#include "relay/policy/reply_rules.h"
#include "relay/smtp/client_session.h"

namespace postrider::delivery {

// About the attempt as a whole, for journal and reports.
struct AttemptFacts {
  std::string site;
  std::string host;  // MX host that was spoken to, or tried last; "": none
  std::string ip;
  std::string tls;                              // "TLSv1.3 TLS_AES_256_GCM_SHA384", or ""
  std::string source;                           // local address
  const policy::ReplyRules* replies = nullptr;  // what its replies mean; null: the general policy
  bool dsn_passed =
      false;  // the next hop took over the notification duties (RFC 3461 section 5.2.2)
  bool final_delivery = false;  // into a mail store, by LMTP; a relay has taken it otherwise
};

// Ends the attempt with `results`, one for each of the lease's recipients. Where a report is due
// and the body is not in memory it is read first; `executor` is where that goes on.
void conclude(Shared& shared, Executor& executor, queue::Lease lease,
              std::vector<smtp::RecipientResult> results, AttemptFacts facts);

// The same result for every recipient.
void conclude_all(Shared& shared, Executor& executor, queue::Lease lease, message::Stage stage,
                  const message::Status& status, AttemptFacts facts);

// Gives the delivery back without counting an attempt; it is due again at `until`. Expired ones
// still get their last attempt there. A delay notice that is due is made here too.
void put_off(Shared& shared, Executor& executor, queue::Lease lease, WallTime until,
             const message::Status& status);

}  // namespace postrider::delivery
