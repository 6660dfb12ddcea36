// LoadTally: what came of a load. Thread: one owner; each worker has its own, merged at the end.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "bench/load/latency_histogram.h"

namespace postrider::bench {

struct LoadTally {
  std::uint64_t started = 0;   // messages begun
  std::uint64_t accepted = 0;  // a 2xx to the end of data
  std::uint64_t failed = 0;
  std::uint64_t recipients_refused = 0;  // of messages that were accepted for others
  std::uint64_t bytes = 0;               // of accepted contents, with their stuffing and end
  std::uint64_t connections = 0;
  std::uint64_t connection_failures = 0;  // with no message under way
  std::uint64_t handshakes = 0;
  std::uint64_t behind = 0;  // open loop: messages that were due and not begun at the end
  // Failures by phase and reply code ("rcpt 450"), or what happened ("connection lost").
  std::map<std::string, std::uint64_t> failures;
  LatencyHistogram ack;    // end of data to its reply
  LatencyHistogram whole;  // MAIL, or in open loop the time it was due, to that reply

  void merge(const LoadTally& other) {
    started += other.started;
    accepted += other.accepted;
    failed += other.failed;
    recipients_refused += other.recipients_refused;
    bytes += other.bytes;
    connections += other.connections;
    connection_failures += other.connection_failures;
    handshakes += other.handshakes;
    behind += other.behind;
    for (const auto& [what, count] : other.failures) failures[what] += count;
    ack.merge(other.ack);
    whole.merge(other.whole);
  }
};

}  // namespace postrider::bench
