// DomainRule: how one simulated domain answers DNS questions and behaves at its MX hosts; read from
// one line `NAME[,NAME...] key=value ...`. Thread: values; the counters may be used by any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/certificate.h"
#include "bench/name_pattern.h"
#include "bench/sim/step.h"
#include "relay/base/clock.h"
#include "relay/base/ip.h"

namespace postrider::bench {

enum class DnsMode {
  kOk,
  kNxDomain,
  kServFail,
  kTimeout,   // no answer
  kNullMx,    // RFC 7505
  kNoMx,      // an address of the domain itself, no MX
  kNoData,    // the name exists and has no record
  kTruncate,  // over UDP only a hint to ask again over TCP
  kRefused,
  kDamaged,    // an answer with fewer records than it says
  kNoEdns,     // FORMERR to whoever speaks EDNS
  kAlias,      // the domain and its hosts are aliases (CNAME) of names with the records
  kAliasLoop,  // aliases of each other
};

enum class TlsMode {
  kOn,
  kOff,       // STARTTLS not offered
  kBroken,    // offered; what follows the 220 is no TLS
  kRequired,  // MAIL before STARTTLS gets 530
};

// What is counted for one rule, across its domains and since it was written. Thread: any.
struct RuleCounters {
  std::atomic<std::uint64_t> messages{0};
  std::atomic<std::uint64_t> bytes{0};
  std::array<std::atomic<std::uint64_t>, kPhaseCount> passes{};
};

struct DomainRule {
  std::vector<IpAddress> mx;
  bool mx_preference_equal = false;
  bool listen = true;  // false: the MX hosts are other programs
  std::uint32_t ttl = 60;
  DnsMode dns = DnsMode::kOk;
  TlsMode tls = TlsMode::kOn;
  CertificateKind certificate = CertificateKind::kGood;
  bool tickets = true;  // false: no TLS session can be resumed
  std::array<std::optional<Step>, kPhaseCount> steps;
  double share = 1.0;
  Milliseconds greylist{0};
  Milliseconds delay{0};
  std::uint64_t messages_per_connection = 0;  // 0: no limit
  std::uint64_t connections = 0;              // at a time and MX address; 0: no limit
  std::uint64_t recipients = 1000;            // in a transaction
  std::shared_ptr<RuleCounters> counters = std::make_shared<RuleCounters>();

  // One `key=value`. The error names the key, and the nearest known one where it is unknown. The
  // rule is unchanged then.
  Result<void> set(std::string_view assignment);

  // The step for this pass through `phase`, nullptr to behave well: each call counts one pass, and
  // every 1/share-th pass gets the step.
  [[nodiscard]] const Step* take_step(Phase phase) const;
};

struct RuleLine {
  std::vector<NamePattern> names;
  DomainRule rule;
};

// One line; no comment, not empty.
Result<RuleLine> parse_rule_line(std::string_view line);

// The lines of a file's text: "#" starts a comment, empty lines are skipped. Errors carry `name`
// and the line number.
Result<std::vector<RuleLine>> parse_rule_text(std::string_view text, std::string_view name);

}  // namespace postrider::bench
