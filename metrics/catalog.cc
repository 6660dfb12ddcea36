#include "metrics/catalog.h"

#include <array>

#include "relay/base/check.h"

namespace postrider::metrics {

namespace {

using enum Metric;
using enum Type;

constexpr std::size_t kRows = static_cast<std::size_t>(kMetricCount);

// Label values that occur are listed in the help where an operator has to know them to ask for one.
constexpr std::array<CatalogRow, kRows> kCatalog = {{
    // submission
    {kConnectionsAccepted, "postrider_connections_accepted_total", kCounter, "listener",
     "Connections accepted from clients. Grows with the clients; a sudden rise without more "
     "messages means clients that connect per message or are turned away."},
    {kConnectionsRefused, "postrider_connections_refused_total", kCounter, "reason",
     "Connections closed or refused before a session began, by reason: client_connections, "
     "network_connections, listener_connections and connections name the limit that is reached, "
     "untrusted a client outside submission.trusted_networks, handshakes too many TLS handshakes "
     "in progress, proxy_header a load balancer of listener.proxy_networks that sent none, "
     "descriptors the process limit of open files."},
    {kSessionsOpen, "postrider_sessions_open", kGauge, "listener",
     "Client sessions open now. A value that only rises means clients that do not quit; see "
     "submission.idle_timeout."},
    {kAuthentications, "postrider_authentications_total", kCounter, "result",
     "Password checks by their result. Rising rejections mean guessing or a client with an old "
     "password; backoff counts those put off for earlier failures, see auth.failures_free; rising "
     "busy answers mean too few hashing threads, see auth.threads."},
    {kUsers, "postrider_users", kGauge, "",
     "Accounts that can log in: those of the configuration and of auth.users_file."},
    {kUsersReads, "postrider_users_reads_total", kCounter, "result",
     "Readings of auth.users_file by their result. Any failed one means that a new version has a "
     "mistake and the users before it stay; the log names it."},
    {kTlsHandshakesIn, "postrider_tls_handshakes_in_total", kCounter, "result",
     "TLS handshakes with clients by their result. Rising failures mean clients that distrust the "
     "certificate or know no TLS 1.2; see tls.certificate and tls.key."},
    {kTlsHandshakesInOpen, "postrider_tls_handshakes_in_open", kGauge, "",
     "TLS handshakes with clients in progress now. Staying high means clients that never end "
     "theirs; at submission.handshakes_max others are turned away."},
    {kCertificateEnds, "postrider_certificate_end_timestamp_seconds", kGauge, "listener",
     "When the certificate that a listener shows ends (notAfter), in seconds since 1970. Less than "
     "14 days ahead means a renewal that did not happen or was not read; see tls.certificate and "
     "listener.certificate."},
    {kCertificatesReads, "postrider_certificates_reads_total", kCounter, "result",
     "Readings of changed certificate and key files by their result. Any failed one means that a "
     "new pair cannot be used and the one before it stays; the log names it."},
    {kMessagesAccepted, "postrider_messages_accepted_total", kCounter, "",
     "Messages answered 250: on stable storage and ours to deliver. The rate of work coming in."},
    {kBytesAccepted, "postrider_accepted_bytes_total", kCounter, "",
     "Octets of the messages accepted. Against messages accepted it gives their mean size."},
    {kRecipientsAccepted, "postrider_recipients_accepted_total", kCounter, "",
     "Recipients of the messages accepted. Each ends as delivered, bounced, expired or removed."},
    {kExtensionsUsed, "postrider_extensions_used_total", kCounter, "extension",
     "Messages accepted with a wish of the client's, by extension: future_release counts those "
     "that wait for a time it has set (HOLDFOR, HOLDUNTIL), see submission.future_release_max; "
     "mt_priority those that ask for a priority, mt_priority_lowered those of them that ask for "
     "more than user.priority_max."},
    {kRepliesRefused, "postrider_replies_refused_total", kCounter, "reason",
     "Negative replies (4xx and 5xx) given to clients, by reason. A rising reason names the rule "
     "or limit that clients run into; the option of that name sets it."},
    {kTextBytes, "postrider_text_bytes", kGauge, "",
     "Memory for the texts of messages that are being received, and for the journal lines about "
     "them. At submission.bodies_in_flight_max a message is put off with 452."},
    {kTextPartSeconds, "postrider_text_part_seconds", kHistogramSeconds, "",
     "Seconds until a part of a text beyond submission.stream_from is in the store. "
     "Rising values mean a slow disk, or signing threads that cannot follow, and clients that are "
     "read from no faster; after 30 s the message is put off with 451."},
    {kSubmitSeconds, "postrider_submit_seconds", kHistogramSeconds, "",
     "Seconds from the end of a message's data to our reply. Rising values mean a slow disk or a "
     "waiting commit group; compare postrider_queue_commit_seconds, see queue.group_max."},
    {kSignatures, "postrider_signatures_total", kCounter, "result",
     "DKIM signatures made, by algorithm (rsa, ed25519), and messages put off for want of one. "
     "Rising busy answers mean too few signing threads, see signing.threads and "
     "signing.waiting_max; failed ones are in the log."},
    {kSigningSeconds, "postrider_signing_seconds", kHistogramSeconds, "",
     "Seconds a message waits for its DKIM signatures, making them included. Rising values mean "
     "signing threads that cannot follow; see signing.threads, or use Ed25519 keys."},
    {kSigningKeysReads, "postrider_signing_keys_reads_total", kCounter, "result",
     "Readings of changed DKIM key files by their result. Any failed one means that a new key "
     "cannot be used and the one before it stays; the log names it. See dkim.key."},

    // queue
    {kQueueMessages, "postrider_queue_messages", kGauge, "",
     "Messages in the queue. Rising means more comes in than goes out; at queue.messages_max new "
     "mail is refused."},
    {kQueueBytes, "postrider_queue_bytes", kGauge, "",
     "Octets of message bodies in the queue. At queue.bytes_max new mail is refused."},
    {kQueueDeliveries, "postrider_queue_deliveries", kGauge, "",
     "Deliveries not ended: a message has one for each recipient domain or transaction's worth of "
     "recipients. Rising means destinations that defer; see which with the queue command."},
    {kQueueHeld, "postrider_queue_held_deliveries", kGauge, "",
     "Deliveries that an operator holds: they wait until they are released or removed."},
    {kQueueSuspensions, "postrider_queue_suspensions", kGauge, "",
     "Suspensions in force: nothing is attempted of what they name. The queue command lists them "
     "with their reasons."},
    {kQueueQueues, "postrider_queue_queues", kGauge, "",
     "Destination queues (domain, tenant, campaign, band) with mail. Each in use costs memory; "
     "rising "
     "means mail spread over more domains or stuck for many."},
    {kQueueLeases, "postrider_queue_leases", kGauge, "",
     "Deliveries handed to the delivery engine and not given back. Steadily at queue.leases_max "
     "means destinations are slower than the mail that is due."},
    {kQueueLeaseBytes, "postrider_queue_lease_bytes", kGauge, "",
     "Octets of bodies kept in memory for leased deliveries. At queue.lease_bytes_max bodies are "
     "read back from disk when needed."},
    {kQueueCommitWaiting, "postrider_queue_commit_waiting", kGauge, "",
     "Submissions, and parts of large texts, waiting for the commit thread. Rising means the disk "
     "cannot follow; at queue.commit_waiting_max clients are told to try again."},
    {kQueueOpenBodies, "postrider_queue_open_bodies", kGauge, "",
     "Large texts that are being written to the queue's store while they arrive."},
    {kQueueOpenBytes, "postrider_queue_open_bytes", kGauge, "",
     "Octets written of these; they are in no message yet, and are erased where none comes of "
     "them."},
    {kQueueAccepting, "postrider_queue_accepting", kGauge, "",
     "1 while new mail is accepted, 0 while it is refused: queue full, disk nearly full, or store "
     "failure. The health page names the reason."},
    {kQueueDelivering, "postrider_queue_delivering", kGauge, "",
     "0 while nothing is handed out for delivery: the store failed, the disk is so full that ends "
     "could not be recorded, or the relay is stopping."},
    {kQueueCommits, "postrider_queue_commits_total", kCounter, "",
     "Batches written to the store. Against messages accepted and attempts it tells how well "
     "writes are grouped."},
    {kQueueSyncs, "postrider_queue_syncs_total", kCounter, "",
     "Syncs of the store's log. Their rate is bounded by the disk; where it stands still at that "
     "bound, larger groups help, see queue.group_max and queue.completion_sync_interval."},
    {kQueueCommitSeconds, "postrider_queue_commit_seconds", kHistogramSeconds, "",
     "Seconds to write and sync one group. Rising means a slow or busy disk; every sender waits "
     "for it."},
    {kQueueGroupSize, "postrider_queue_group_size", kHistogramCount, "",
     "Submissions and completions in one group. Rising under load is healthy; always at "
     "queue.group_max means the commit thread is the limit."},
    {kQueueRefused, "postrider_queue_refused_total", kCounter, "reason",
     "Submissions the queue refused, by reason: messages_max, bytes_max, tenant_messages_max and "
     "tenant_bytes_max are the options of [queue]; no_space is queue.disk_reserve, busy is "
     "queue.commit_waiting_max, or a write to the disk that takes longer than ten seconds."},
    {kQueueChanged, "postrider_queue_changed_total", kCounter, "action",
     "Messages that operators changed, by action: remove, retry, hold, release."},
    {kQueueChangesRefused, "postrider_queue_changes_refused_total", kCounter, "",
     "Changes by operators that were refused because queue.changes_waiting_max others were waiting "
     "or under way."},
    {kQueueStoreErrors, "postrider_queue_store_errors_total", kCounter, "",
     "Failed operations of the store. Any rise is a failing or full disk: look at the log."},
    {kQueueReopened, "postrider_queue_store_reopened_total", kCounter, "",
     "Times the store was closed and opened again after a failed write. Any rise is a failing or "
     "full disk, or too few file descriptors: look at the log."},
    {kQueueQuarantined, "postrider_queue_quarantined_total", kCounter, "",
     "Damaged messages put aside. Any rise is lost or altered data on disk: look at the log."},
    {kQueueEnded, "postrider_queue_ended_total", kCounter, "fate",
     "Recipients that ended, by fate: delivered, bounced, expired, removed. Rising bounces mean "
     "bad address lists or a block; rising expiries mean destinations out of reach."},
    {kQueueDiskFree, "postrider_queue_disk_free_bytes", kGauge, "",
     "Octets free on the queue's disk. A falling value ends in refused mail at "
     "queue.disk_reserve."},
    {kQueueDiskFiles, "postrider_queue_disk_free_files", kGauge, "",
     "Files that can still be made on the queue's disk. Mail is refused when few are left."},

    // delivery
    {kDeliveriesAttempted, "postrider_deliveries_attempted_total", kCounter, "",
     "Attempts to deliver. Rising faster than recipients delivered means retries; see "
     "retry.first_interval and retry.interval_max."},
    {kRecipientsDelivered, "postrider_recipients_delivered_total", kCounter, "",
     "Recipients a destination took over. The rate of work going out."},
    {kRecipientsDeferred, "postrider_recipients_deferred_total", kCounter, "stage",
     "Recipients put off to a later attempt, by the stage that failed. A rising dns or connect "
     "stage is trouble of network or resolver, later stages are the destination's refusal."},
    {kRecipientsBounced, "postrider_recipients_bounced_total", kCounter, "stage",
     "Recipients refused for good, by stage. A rising value at rcpt means bad addresses, at mail, "
     "data or greeting often a block of our address or content."},
    {kRecipientsExpired, "postrider_recipients_expired_total", kCounter, "",
     "Recipients given up after the message lifetime; see retry.lifetime. A rising value means "
     "destinations out of reach for days."},
    {kBytesDelivered, "postrider_delivered_bytes_total", kCounter, "",
     "Octets of the messages delivered, counted once for each transaction."},
    {kDeliveriesHeldBack, "postrider_deliveries_held_back_total", kCounter, "",
     "Deliveries put off without an attempt because a rate of ours will not let them through for a "
     "while. Rising means more mail for a destination than its rules allow; see "
     "delivery.message_rate, provider.message_rate and `postrider explain`."},
    {kSiteRests, "postrider_site_rests_total", kCounter, "",
     "Times a destination was left alone for a while because a reply asked for it, by a rule of "
     "[[reply]]. Rising means that our addresses have trouble there; the log names site and "
     "reply."},
    {kSiteSlowDowns, "postrider_site_slow_downs_total", kCounter, "",
     "Times a destination was given fewer connections because it asked for less, or took no more "
     "while others worked. A few each hour are how its limit is found; rising faster means that "
     "what it allows keeps falling, see `postrider explain` and site.connections_max."},
    {kReportsSent, "postrider_reports_sent_total", kCounter, "action",
     "Delivery status notifications made, by action (failed, delayed, relayed, delivered). "
     "Rising failed reports follow bounces and expiries."},
    {kConnectionsOut, "postrider_connections_out_total", kCounter, "result",
     "Connections tried to mail hosts: ok, or why not. Rising timeouts or refusals to many "
     "destinations mean our own network; see delivery.connect_timeout and delivery.source_ipv4."},
    {kConnectionsOutOpen, "postrider_connections_out_open", kGauge, "",
     "Connections to mail hosts open now, idle ones included; see delivery.connections_max."},
    {kConnectionsOutIdle, "postrider_connections_out_idle", kGauge, "",
     "Connections kept open for the next message; see delivery.idle_timeout."},
    {kConnectionsReused, "postrider_connections_reused_total", kCounter, "",
     "Messages sent over a connection that was open already. Falling against recipients "
     "delivered means reuse no longer works and costs a handshake each; see "
     "delivery.messages_per_connection_max."},
    {kLaneDeliveries, "postrider_lane_deliveries_total", kCounter, "",
     "Deliveries over connections that another worker than the site's own carries. It grows while "
     "a "
     "destination has more than four connections; if it does not then, one core carries them all."},
    {kTlsHandshakesOut, "postrider_tls_handshakes_out_total", kCounter, "result",
     "TLS handshakes with mail hosts: full, resumed, failed. Rising failures mean hosts that do "
     "not meet delivery.tls; a falling share of resumed ones costs processor time."},
    {kSitesActive, "postrider_sites_active", kGauge, "",
     "Sites (sets of mail hosts) with deliveries in progress or waiting in memory. Each costs "
     "memory and at least one connection while it is served."},
    {kDeliverySeconds, "postrider_delivery_seconds", kHistogramSeconds, "",
     "Seconds from the time a message may leave, which is its acceptance unless the client has set "
     "a later one, to its delivery to a recipient's host. Rising in the low buckets means load "
     "here, in the high ones destinations that defer."},
    {kFinalReplyLost, "postrider_final_reply_lost_total", kCounter, "",
     "Messages whose end was sent but whose reply never came: they are sent again and may arrive "
     "twice. A rising value means broken connections; see delivery.end_of_data_timeout."},

    // dns
    {kDnsQueries, "postrider_dns_queries_total", kCounter, "type",
     "Questions sent to DNS servers, by record type. Rising without more mail means answers with "
     "short lifetimes or a small cache; see dns.cache_entries_max and dns.ttl_min."},
    {kDnsAnswers, "postrider_dns_answers_total", kCounter, "result",
     "What came of DNS questions: found, no_data, no_domain, bad_name; server_failure, refused, "
     "not_understood, malformed, timeout, unreachable, overload. Of the latter a rising value "
     "defers mail; see dns.servers and dns.query_timeout, for overload dns.waiting_max."},
    {kDnsCacheHits, "postrider_dns_cache_hits_total", kCounter, "",
     "Questions answered from the cache. Falling against dns queries means the cache is too small "
     "for the domains in use; see dns.cache_entries_max."},
    {kDnsCacheEntries, "postrider_dns_cache_entries", kGauge, "",
     "Answers in the DNS cache. At dns.cache_entries_max the least recently used go first."},
    {kDnsSeconds, "postrider_dns_seconds", kHistogramSeconds, "",
     "Seconds from a DNS question to its answer, repetitions included. Rising means a slow or "
     "overloaded resolver; see dns.servers and dns.in_flight_max."},

    // process
    {kJournalDropped, "postrider_journal_dropped_total", kCounter, "",
     "Journal lines lost to write errors. Any rise is a full or failing disk; see journal.file."},
    {kBuildInfo, "postrider_build_info", kGauge, "version",
     "Always 1; the label tells the version that runs."},
    {kStartTime, "postrider_start_time_seconds", kGauge, "",
     "When the process started, in seconds since 1970. A change is a restart."},
    {kClockAhead, "postrider_clock_ahead_seconds", kGauge, "",
     "How far the system clock is ahead of the relay's own time, which goes on as it was at start. "
     "Beyond two seconds either way the clock was set, or the machine slept: restart the relay, "
     "so that it takes the time over."},
    {kWorkers, "postrider_workers", kGauge, "", "Worker threads that run; see server.workers."},
    {kAdminRefused, "postrider_admin_refused_total", kCounter, "",
     "Requests to the admin port answered 503, because too many others waited for the queue, the "
     "disk or DNS. Metrics and health are never among them."},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows; ++i) {
    if (static_cast<std::size_t>(kCatalog[i].metric) != i || kCatalog[i].name.empty()) return false;
  }
  return true;
}

static_assert(in_order(), "one row for each enumerator, in their order");

}  // namespace

std::span<const CatalogRow> catalog() {
  return kCatalog;
}

const CatalogRow& row_of(Metric metric) {
  const auto index = static_cast<std::size_t>(metric);
  PR_CHECK(index < kRows, "not a metric");
  return kCatalog[index];
}

}  // namespace postrider::metrics
