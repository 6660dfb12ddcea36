// Reads hostile answers. First octet: the type asked for, and whether the rest is a packet as it is
// (then mostly refused by its header) or what follows id, direction and question: response code,
// counts, sections.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dns/mx_plan.h"
#include "dns/wire.h"
#include "relay/base/random.h"

namespace {

using postrider::SeededRandom;
using postrider::dns::Answer;
using postrider::dns::build_query;
using postrider::dns::MxRecord;
using postrider::dns::Outcome;
using postrider::dns::QueryType;
using postrider::dns::read_answer;

void require(bool condition) {
  if (!condition) std::abort();
}

// Whatever came, this holds of an answer.
void check(const Answer& answer, SeededRandom& random) {
  using postrider::dns::kAddressesKeptMax;
  using postrider::dns::kHostsMax;
  using postrider::dns::kMxKeptMax;
  require(answer.mx.size() <= kMxKeptMax && answer.addresses.size() <= kAddressesKeptMax);
  const bool empty = answer.mx.empty() && answer.addresses.empty();
  require((answer.outcome == Outcome::kFound) != empty);
  if (is_definite(answer.outcome)) {
    require(answer.ttl.count() >= 0 && answer.ttl.count() <= INT32_MAX);
  }
  for (const MxRecord& record : answer.mx) {
    require(record.host.size() <= 4 * 255U);
    for (const char c : record.host) require(c > ' ' && c < 0x7f && !(c >= 'A' && c <= 'Z'));
  }
  require(make_plan("example.org", answer.mx, random).hosts.size() <= kHostsMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  constexpr QueryType kTypes[] = {QueryType::kMx, QueryType::kA, QueryType::kAaaa};
  SeededRandom random(1);
  const std::string query =
      *build_query({"example.org", kTypes[(data[0] & 0x0fU) % 3]}, 0x1234, false, random);
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string packet(rest);
  const bool raw = (data[0] & 0x80U) != 0;
  if (!raw && rest.size() >= 7) {
    packet = query.substr(0, 2) + '\x81' + rest[0] + std::string("\0\1", 2);
    packet.append(rest.substr(1, 6)).append(query.substr(12)).append(rest.substr(7));
  }
  check(read_answer(packet, query).answer, random);
  return 0;
}
