#include "dns/wire.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <tuple>
#include <utility>

#include "dns/packet_reader.h"
#include "relay/base/ascii.h"

namespace postrider::dns {

namespace {

constexpr std::size_t kHeaderSize = 12;
// kNameOctetsMax without the first length octet and the root.
constexpr std::size_t kNameTextMax = 253;

constexpr std::uint16_t kClassIn = 1;
constexpr std::uint16_t kTypeCname = 5;
constexpr std::uint16_t kTypeSoa = 6;
constexpr std::uint16_t kTypeOpt = 41;

constexpr std::uint8_t kFlagResponse = 0x80;
constexpr std::uint8_t kOpcodeBits = 0x78;
constexpr std::uint8_t kFlagTruncated = 0x02;
constexpr std::uint8_t kFlagRecursionDesired = 0x01;
constexpr std::uint8_t kFlagAuthentic = 0x20;  // of the second octet
constexpr std::uint8_t kRcodeBits = 0x0f;

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  std::uint16_t record_class = 0;
  std::uint32_t ttl = 0;
  std::size_t data_at = 0;
  std::size_t data_end = 0;
};

Record read_record(PacketReader& reader) {
  Record record;
  record.owner = reader.name();
  record.type = reader.u16();
  record.record_class = reader.u16();
  record.ttl = reader.u32();
  const std::size_t length = reader.u16();
  record.data_at = reader.position();
  reader.bytes(length);
  record.data_end = reader.position();
  return record;
}

// RFC 2181 section 8: with the top bit set it counts as zero.
Seconds ttl_of(std::uint32_t ttl) {
  return Seconds(ttl > std::numeric_limits<std::int32_t>::max() ? 0 : ttl);
}

// A record of the answer section that can matter to us.
struct Fact {
  std::string owner;
  Seconds ttl{0};
  bool alias = false;
  std::string target;  // of an alias
  MxRecord mx;
  IpAddress address;
};

// nullopt: the data is not what the type says.
std::optional<Fact> read_fact(std::string_view packet, Record record) {
  PacketReader data(packet, record.data_at);
  Fact fact;
  fact.owner = std::move(record.owner);
  fact.ttl = ttl_of(record.ttl);
  if (record.type == kTypeCname) {
    fact.alias = true;
    fact.target = data.name();
  } else if (record.type == static_cast<std::uint16_t>(QueryType::kMx)) {
    fact.mx.preference = data.u16();
    fact.mx.host = data.name();
  } else {
    const std::size_t size = record.type == static_cast<std::uint16_t>(QueryType::kA) ? 4 : 16;
    const auto address = IpAddress::from_bytes(data.bytes(size));
    if (!address) return std::nullopt;
    fact.address = *address;
  }
  if (!data.ok() || data.position() != record.data_end) return std::nullopt;
  return fact;
}

// The records of an answer, and the places to which RFC 2308 and RFC 6891 send the reader for more.
struct Sections {
  bool ok = false;
  std::vector<Fact> facts;
  std::optional<Seconds> negative_ttl;  // from the SOA of the authority section
  unsigned extended_rcode = 0;          // its upper bits, from OPT
};

std::optional<Seconds> read_negative_ttl(std::string_view packet, const Record& soa) {
  constexpr std::size_t kNumbers = 20;  // serial, refresh, retry, expire, minimum
  PacketReader data(packet, soa.data_at);
  data.name();
  data.name();
  data.bytes(kNumbers - 4);
  const std::uint32_t minimum = data.u32();
  if (!data.ok() || data.position() != soa.data_end) return std::nullopt;
  return std::min(ttl_of(soa.ttl), ttl_of(minimum));
}

bool read_answers(PacketReader& reader, std::string_view packet, unsigned count, QueryType wanted,
                  std::vector<Fact>& facts) {
  for (unsigned i = 0; i < count && reader.ok(); ++i) {
    Record record = read_record(reader);
    const bool matters =
        record.record_class == kClassIn &&
        (record.type == static_cast<std::uint16_t>(wanted) || record.type == kTypeCname);
    if (!reader.ok() || !matters) continue;
    auto fact = read_fact(packet, std::move(record));
    if (!fact) return false;
    facts.push_back(*std::move(fact));
  }
  return reader.ok();
}

Sections read_sections(PacketReader reader, std::string_view packet, QueryType wanted) {
  PacketReader counts(packet, 6);
  const unsigned answers = counts.u16();
  const unsigned authorities = counts.u16();
  const unsigned additionals = counts.u16();
  Sections sections;
  if (!read_answers(reader, packet, answers, wanted, sections.facts)) return sections;
  for (unsigned i = 0; i < authorities && reader.ok(); ++i) {
    const Record record = read_record(reader);
    if (!reader.ok() || record.type != kTypeSoa || record.record_class != kClassIn) continue;
    sections.negative_ttl = read_negative_ttl(packet, record);
    if (!sections.negative_ttl) return sections;
  }
  for (unsigned i = 0; i < additionals && reader.ok(); ++i) {
    const Record record = read_record(reader);
    if (record.type == kTypeOpt) sections.extended_rcode = record.ttl >> 24;
  }
  sections.ok = reader.ok();
  return sections;
}

// Follows the aliases from `name` (RFC 1034 section 3.6.2) to the records asked for. The recursive
// server has done the work; we only walk its answer.
Answer collect(const std::vector<Fact>& facts, std::string name, QueryType type) {
  Answer answer;
  answer.ttl = Seconds::max();
  for (unsigned aliases = 0; aliases <= kAliasesMax; ++aliases) {
    const Fact* alias = nullptr;
    bool found = false;
    for (const Fact& fact : facts) {
      if (fact.owner != name) continue;
      if (fact.alias) {
        alias = &fact;
        continue;
      }
      found = true;
      answer.ttl = std::min(answer.ttl, fact.ttl);
      if (type == QueryType::kMx) {
        answer.mx.push_back(fact.mx);
      } else {
        answer.addresses.push_back(fact.address);
      }
    }
    if (found || alias == nullptr) {
      answer.outcome = found ? Outcome::kFound : Outcome::kNoData;
      return answer;
    }
    answer.ttl = std::min(answer.ttl, alias->ttl);
    name = alias->target;
  }
  // A loop, or an endless chain.
  return Answer{.outcome = Outcome::kServerFailure};
}

void bound(Answer& answer) {
  if (answer.mx.size() > kMxKeptMax) {
    std::sort(answer.mx.begin(), answer.mx.end(), [](const MxRecord& a, const MxRecord& b) {
      return std::tie(a.preference, a.host) < std::tie(b.preference, b.host);
    });
    answer.mx.resize(kMxKeptMax);
  }
  std::vector<IpAddress> kept;
  for (const IpAddress& address : answer.addresses) {
    if (kept.size() == kAddressesKeptMax) break;
    if (std::find(kept.begin(), kept.end(), address) == kept.end()) kept.push_back(address);
  }
  answer.addresses = std::move(kept);
}

Outcome failure_of(unsigned rcode) {
  constexpr unsigned kFormErr = 1;
  constexpr unsigned kNotImp = 4;
  constexpr unsigned kRefusedCode = 5;
  constexpr unsigned kBadVers = 16;
  if (rcode == kFormErr || rcode == kNotImp || rcode == kBadVers) return Outcome::kNotUnderstood;
  return rcode == kRefusedCode ? Outcome::kRefused : Outcome::kServerFailure;
}

Answer interpret(const Sections& sections, unsigned rcode, std::string name, QueryType type) {
  constexpr unsigned kNoError = 0;
  constexpr unsigned kNxDomain = 3;
  rcode |= sections.extended_rcode << 4;
  if (rcode != kNoError && rcode != kNxDomain) return Answer{.outcome = failure_of(rcode)};
  Answer answer = collect(sections.facts, std::move(name), type);
  if (answer.outcome == Outcome::kFound) {
    // Records and NXDOMAIN in one answer contradict each other.
    if (rcode == kNxDomain) return Answer{.outcome = Outcome::kMalformed};
    bound(answer);
    return answer;
  }
  if (answer.outcome != Outcome::kNoData) return answer;
  // RFC 2308 section 2.1: the code speaks of the last name in the chain.
  if (rcode == kNxDomain) answer.outcome = Outcome::kNoDomain;
  answer.ttl = std::min(answer.ttl, sections.negative_ttl.value_or(Seconds(0)));
  return answer;
}

void put16(std::string& packet, unsigned value) {
  packet.push_back(static_cast<char>(value >> 8 & 0xffU));
  packet.push_back(static_cast<char>(value & 0xffU));
}

char with_case(char c, bool upper) {
  return upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

// False where `name` is none of a host.
bool append_name(std::string& packet, const std::string& name, Random& random) {
  if (name.empty() || name.size() > kNameTextMax) return false;
  std::array<std::byte, kNameTextMax / 8 + 1> coins{};
  random.fill(std::span(coins).first(name.size() / 8 + 1));
  std::size_t at = 0;
  for (const std::string_view label : ascii::split(name, '.')) {
    if (label.empty() || label.size() > kLabelMax) return false;
    packet.push_back(static_cast<char>(label.size()));
    for (const char c : label) {
      if (!is_host_octet(c)) return false;
      const bool upper = (std::to_integer<unsigned>(coins[at / 8]) >> (at % 8) & 1U) != 0;
      packet.push_back(with_case(ascii::to_lower(c), upper));
      ++at;
    }
  }
  packet.push_back('\0');
  return true;
}

Reading malformed() {
  return Reading{.answer = Answer{.outcome = Outcome::kMalformed}};
}

}  // namespace

std::string_view to_string(QueryType type) {
  switch (type) {
    case QueryType::kA:
      return "A";
    case QueryType::kMx:
      return "MX";
    case QueryType::kAaaa:
      break;
  }
  return "AAAA";
}

std::string to_string(const Question& question) {
  return std::string(to_string(question.type)).append(" ").append(question.name);
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kFound:
      return "found";
    case Outcome::kNoData:
      return "no such record";
    case Outcome::kNoDomain:
      return "NXDOMAIN";
    case Outcome::kServerFailure:
      return "SERVFAIL";
    case Outcome::kRefused:
      return "refused by the DNS server";
    case Outcome::kNotUnderstood:
      return "not understood by the DNS server";
    case Outcome::kMalformed:
      return "malformed answer";
    case Outcome::kTimeout:
      return "timeout";
    case Outcome::kUnreachable:
      return "DNS server unreachable";
    case Outcome::kBadName:
      break;
  }
  return "not a host name";
}

bool is_definite(Outcome outcome) {
  return outcome == Outcome::kFound || outcome == Outcome::kNoData ||
         outcome == Outcome::kNoDomain || outcome == Outcome::kBadName;
}

std::optional<std::string> build_query(const Question& question, std::uint16_t id, bool edns,
                                       Random& random) {
  std::string packet;
  packet.reserve(kHeaderSize + question.name.size() + 17);
  put16(packet, id);
  packet.push_back(static_cast<char>(kFlagRecursionDesired));
  packet.push_back(static_cast<char>(kFlagAuthentic));
  put16(packet, 1);
  put16(packet, 0);
  put16(packet, 0);
  put16(packet, edns ? 1 : 0);
  if (!append_name(packet, question.name, random)) return std::nullopt;
  put16(packet, static_cast<std::uint16_t>(question.type));
  put16(packet, kClassIn);
  if (edns) {
    // RFC 6891 section 6.1.2: root, OPT, payload size, no extended bits, no data.
    packet.push_back('\0');
    put16(packet, kTypeOpt);
    put16(packet, kUdpPayload);
    put16(packet, 0);
    put16(packet, 0);
    put16(packet, 0);
  }
  return packet;
}

Reading read_answer(std::string_view packet, std::string_view query) {
  PacketReader asked(query, kHeaderSize);
  std::string name = asked.name();
  const auto type = static_cast<QueryType>(asked.u16());
  asked.u16();
  const std::string_view question = query.substr(kHeaderSize, asked.position() - kHeaderSize);

  if (packet.size() < kHeaderSize + question.size()) return malformed();
  if (packet.substr(0, 2) != query.substr(0, 2)) return malformed();
  const auto flags = static_cast<std::uint8_t>(packet[2]);
  if ((flags & kFlagResponse) == 0 || (flags & kOpcodeBits) != 0) return malformed();
  if (PacketReader(packet, 4).u16() != 1) return malformed();
  const std::string_view echoed = packet.substr(kHeaderSize, question.size());
  if (!ascii::iequals(echoed, question)) return malformed();

  Reading reading;
  reading.case_changed = echoed != question;
  reading.truncated = (flags & kFlagTruncated) != 0;
  reading.answer.outcome = Outcome::kMalformed;
  if (reading.truncated) return reading;
  const Sections sections =
      read_sections(PacketReader(packet, kHeaderSize + question.size()), packet, type);
  const auto more_flags = static_cast<std::uint8_t>(packet[3]);
  if (sections.ok) {
    reading.answer = interpret(sections, more_flags & kRcodeBits, std::move(name), type);
    reading.answer.authentic = (more_flags & kFlagAuthentic) != 0;
  }
  return reading;
}

}  // namespace postrider::dns
