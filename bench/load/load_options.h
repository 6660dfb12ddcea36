// LoadOptions: what a load is made of. Thread: immutable once shared.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/load/weighted_choice.h"
#include "relay/base/clock.h"
#include "relay/base/ip.h"
#include "relay/base/result.h"

namespace postrider::bench {

enum class TlsUse { kNone, kStartTls, kImplicit };

struct LoadOptions {
  static constexpr std::uint64_t kMaxSessions = 50'000;
  static constexpr std::uint64_t kMaxSize = 256ULL * 1024 * 1024;
  static constexpr std::uint64_t kMaxRecipients = 1000;

  Endpoint to;
  std::uint64_t sessions = 1;
  std::uint64_t threads = 1;
  std::uint64_t messages = 0;              // 0: no limit
  Milliseconds duration{0};                // new messages start within it; 0: no limit
  std::uint64_t messages_per_session = 0;  // then QUIT and a new connection; 0: no limit
  WeightedChoice<std::uint64_t> sizes;     // of the whole message, in bytes
  std::uint64_t recipients_per_message = 1;
  WeightedChoice<std::string> domains;
  TlsUse tls = TlsUse::kNone;
  std::string user;  // empty: no AUTH
  std::string password;
  std::uint64_t rate = 0;  // messages a second in open loop; 0: closed loop
  bool pipelining = true;
  std::uint64_t reconnects = 0;  // in a row, after a failure, per session
  std::string ids_file;
  Milliseconds timeout{600'000};
  std::string run;  // marks the sequence numbers of this run
  std::string helo = "load.invalid";
  std::string sender = "load@load.invalid";
};

// "4096" or "1k:70,100k:30": sizes with weights.
Result<WeightedChoice<std::uint64_t>> parse_size_mix(std::string_view text);
// "a.test" or "d[1-100].test:3,big.test:7": names and ranges with weights.
Result<WeightedChoice<std::string>> parse_domain_mix(std::string_view text);

}  // namespace postrider::bench
