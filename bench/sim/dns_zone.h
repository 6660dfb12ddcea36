// What the simulated domains answer to a DNS question. Thread: pure functions.
#pragma once

#include <optional>

#include "bench/sim/dns_message.h"
#include "bench/sim/rule_book.h"

namespace postrider::bench {

enum class DnsTransport { kUdp, kTcp };

// Nullopt: no answer is to be sent (dns=timeout). Names outside the book do not exist.
std::optional<DnsReply> answer_dns(const DnsQuestion& question, DnsTransport transport,
                                   const RuleBook& book);

}  // namespace postrider::bench
