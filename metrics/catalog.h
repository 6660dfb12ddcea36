// The one table of metrics. Adding one is an enumerator here and a row in catalog.cc; a test
// compares both, and the reference page is made from them. Thread: immutable.
#pragma once

#include <span>
#include <string_view>

namespace postrider::metrics {

enum class Metric {
  // submission
  kConnectionsAccepted,  // label listener
  kConnectionsRefused,   // label reason
  kSessionsOpen,         // label listener
  kAuthentications,      // label result
  kUsers,
  kUsersReads,       // label result
  kTlsHandshakesIn,  // label result
  kTlsHandshakesInOpen,
  kCertificateEnds,    // label listener
  kCertificatesReads,  // label result
  kMessagesAccepted,
  kBytesAccepted,
  kRecipientsAccepted,
  kExtensionsUsed,    // label extension: those in which a client asks for something special
  kRepliesRefused,    // label reason: every 4xx and 5xx we give
  kTextBytes,         // of messages that are being received, in memory
  kTextPartSeconds,   // histogram: a part of a large text to its being written
  kSubmitSeconds,     // histogram: end of data to reply
  kSignatures,        // label result: rsa, ed25519, failed, busy
  kSigningSeconds,    // histogram
  kSigningKeysReads,  // label result
  // queue
  kQueueMessages,
  kQueueBytes,
  kQueueDeliveries,
  kQueueHeld,
  kQueueSuspensions,
  kQueueQueues,
  kQueueLeases,
  kQueueLeaseBytes,
  kQueueCommitWaiting,
  kQueueOpenBodies,
  kQueueOpenBytes,
  kQueueAccepting,   // 1 or 0
  kQueueDelivering,  // 1 or 0
  kQueueCommits,
  kQueueSyncs,
  kQueueCommitSeconds,  // histogram
  kQueueGroupSize,      // histogram
  kQueueRefused,        // label reason
  kQueueChanged,        // label action: remove retry hold release
  kQueueChangesRefused,
  kQueueStoreErrors,
  kQueueReopened,
  kQueueQuarantined,  // damaged messages put aside
  kQueueEnded,        // label fate: delivered bounced expired removed
  kQueueDiskFree,
  kQueueDiskFiles,
  // delivery
  kDeliveriesAttempted,
  kRecipientsDelivered,
  kRecipientsDeferred,  // label stage
  kRecipientsBounced,   // label stage
  kRecipientsExpired,
  kBytesDelivered,
  kDeliveriesHeldBack,  // put off by a rate of ours
  kSiteRests,
  kSiteSlowDowns,
  kReportsSent,     // label action
  kConnectionsOut,  // label result: ok, or why not
  kConnectionsOutOpen,
  kConnectionsOutIdle,
  kConnectionsReused,
  kLaneDeliveries,
  kTlsHandshakesOut,  // label result: full, resumed, failed
  kSitesActive,
  kDeliverySeconds,  // histogram: acceptance to delivery
  kFinalReplyLost,   // end of data sent, no reply came: a repeat is possible
  // dns
  kDnsQueries,  // label type
  kDnsAnswers,  // label result
  kDnsCacheHits,
  kDnsCacheEntries,
  kDnsSeconds,  // histogram
  // process
  kJournalDropped,
  kBuildInfo,  // label version
  kStartTime,
  kClockAhead,
  kWorkers,
  kAdminRefused,
  kMetricCount,
};

enum class Type { kCounter, kGauge, kHistogramSeconds, kHistogramCount };

struct CatalogRow {
  Metric metric;
  std::string_view name;  // "postrider_..." with unit, "_total" on counters
  Type type;
  std::string_view label;  // its one label's name, or ""
  std::string_view help;   // what a rising value means and which option to look at
};

std::span<const CatalogRow> catalog();
const CatalogRow& row_of(Metric metric);

}  // namespace postrider::metrics
