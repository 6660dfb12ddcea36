// DNS messages (RFC 1035, RFC 6891) as far as the simulation needs them: one question in, records
// out. Thread: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/ip.h"

namespace postrider::bench {

enum class DnsType : std::uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kMx = 15,
  kAaaa = 28,
  kAny = 255
};

enum class DnsCode : std::uint8_t {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5,
};

struct DnsQuestion {
  std::uint16_t id = 0;
  bool recursion_desired = false;
  std::string name;  // lower case, without the final dot; "" is the root
  std::uint16_t type = 0;
  std::uint16_t record_class = 0;
  std::size_t udp_size = 512;  // what the asker can take over UDP
  bool edns = false;
  std::string wire;  // the question section as it came, to be repeated
};

// Nullopt: not a query with one readable question. `unreadable` is then the answer to it, FORMERR
// or NOTIMP, or empty where none is due.
std::optional<DnsQuestion> parse_dns_query(std::string_view message, std::string& unreadable);

struct DnsRecord {
  DnsType type = DnsType::kA;
  std::uint32_t ttl = 0;
  IpAddress address;             // kA, kAaaa
  std::uint16_t preference = 0;  // kMx
  // kMx, kCname: a label in front of the question's name; "." is the root, "" that name itself.
  std::string host;
  std::string owner{};  // whose record it is, likewise
};

struct DnsReply {
  DnsCode code = DnsCode::kNoError;
  bool truncated = false;
  bool damaged = false;  // it says that there is an answer more than there is
  std::vector<DnsRecord> answers;
  // Puts a SOA record with this TTL into the authority section, so that a missing name or record
  // can be cached (RFC 2308).
  std::optional<std::uint32_t> negative_ttl;
};

// The answer, at most `size_max` bytes: beyond it, no records and the TC bit.
std::string write_dns_reply(const DnsQuestion& question, const DnsReply& reply,
                            std::size_t size_max);

}  // namespace postrider::bench
