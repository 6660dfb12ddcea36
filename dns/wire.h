// Wire: DNS questions as packets and packets as answers (RFC 1035 section 4). What arrives may be
// hostile: every count, length and compression pointer is checked, and the work is bounded by the
// size of the packet. Thread: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/mx_plan.h"
#include "relay/base/clock.h"
#include "relay/base/ip.h"
#include "relay/base/random.h"

namespace postrider::dns {

enum class QueryType : std::uint16_t { kA = 1, kMx = 15, kAaaa = 28 };

struct Question {
  std::string name;  // normal form, no trailing dot
  QueryType type = QueryType::kMx;

  bool operator==(const Question&) const = default;
};

struct QuestionHash {
  std::size_t operator()(const Question& question) const {
    return std::hash<std::string>()(question.name) ^ static_cast<std::size_t>(question.type);
  }
};

// "MX example.org".
std::string to_string(const Question& question);
std::string_view to_string(QueryType type);

enum class Outcome : std::uint8_t {
  kFound,
  kNoData,         // the name exists, without such a record
  kNoDomain,       // NXDOMAIN
  kServerFailure,  // SERVFAIL and what we have no better word for
  kRefused,
  kNotUnderstood,  // FORMERR, NOTIMP, BADVERS: worth a try without EDNS
  kMalformed,
  kTimeout,
  kUnreachable,
  kBadName,  // no DNS name of a host: never asked
};

// For logs and reports: "NXDOMAIN", "timeout".
std::string_view to_string(Outcome outcome);
// It says something about the name, not about the servers or the network.
bool is_definite(Outcome outcome);

// An MX set that is larger than a plan is cut to the best; of a host's addresses the first count.
inline constexpr std::size_t kMxKeptMax = 64;
inline constexpr std::size_t kAddressesKeptMax = 16;
// Aliases followed within one answer.
inline constexpr unsigned kAliasesMax = 16;

struct Answer {
  Outcome outcome = Outcome::kServerFailure;
  // How long it may be kept: the least TTL on the way to the records, or for kNoData and kNoDomain
  // what the zone says (RFC 2308). 0 where nothing was said.
  Seconds ttl{0};
  std::vector<MxRecord> mx;          // at most kMxKeptMax
  std::vector<IpAddress> addresses;  // at most kAddressesKeptMax, without doubles
  // The server says that it has validated all of it (RFC 4035 section 3.2.3): worth as much as the
  // server and the way to it.
  bool authentic = false;
};

// What came back for a query, and whether it can be believed as it is.
struct Reading {
  Answer answer;
  bool truncated = false;     // ask again over TCP; `answer` is kMalformed
  bool case_changed = false;  // the name's case is not ours: a forgery, or a server that folds it
};

// The packet that asks `question`, recursion desired, and whether it is authentic (RFC 6840 section
// 5.7). The case of the name's letters is drawn from
// `random`: one more thing a forger has to guess. nullopt where the name is none of a host (RFC
// 1035 section 2.3.1 with underscores): too long, empty labels, other characters.
std::optional<std::string> build_query(const Question& question, std::uint16_t id, bool edns,
                                       Random& random);

// The largest answer we ask for over UDP: it passes unfragmented nearly everywhere.
inline constexpr std::uint16_t kUdpPayload = 1232;

// Reads `packet`, which arrived as the answer to `query` (a packet of build_query). Anything that
// does not answer that question by the rules is kMalformed.
Reading read_answer(std::string_view packet, std::string_view query);

}  // namespace postrider::dns
