// A PROXY header, or anything: bounded, whatever the pieces it comes in, and of a good one that can
// be written again the same is read.
#include <string>

#include "relay/submission/proxy_header.h"
#include "tests/fuzz/bytes.h"

namespace postrider::fuzz {
namespace {

using submission::ProxyHeader;
using State = ProxyHeader::State;

struct Outcome {
  State state = State::kIncomplete;
  std::optional<Endpoint> client;
  std::string defect;
  std::size_t taken = 0;

  bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view input, std::size_t piece) {
  ProxyHeader header;
  Outcome outcome;
  while (!input.empty() && outcome.state == State::kIncomplete) {
    std::string_view part = input.substr(0, piece);
    const std::size_t before = part.size();
    outcome.state = header.feed(part);
    require(part.empty() || outcome.state != State::kIncomplete);
    outcome.taken += before - part.size();
    input.remove_prefix(before - part.size());
  }
  require(outcome.taken <= ProxyHeader::kSizeMax);
  require((outcome.state == State::kMalformed) == !header.defect().empty());
  require(!header.client() || outcome.state == State::kDone);
  outcome.client = header.client();
  outcome.defect = header.defect();
  return outcome;
}

std::string written(const Endpoint& client) {
  const bool v4 = client.ip.is_v4();
  const std::string family = v4 ? "TCP4 " : "TCP6 ";
  const std::string to = v4 ? " 10.0.0.1 " : " ::1 ";
  return "PROXY " + family + client.ip.to_string() + to + std::to_string(client.port) + " 25\r\n";
}

}  // namespace
}  // namespace postrider::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace postrider::fuzz;
  Bytes bytes(data, size);
  const std::size_t piece = 1U + bytes.byte() % 32U;
  const std::string_view input = bytes.rest();
  const Outcome whole = read(input, input.size() + 1);
  require(whole == read(input, piece));
  if (whole.client) require(read(written(*whole.client), piece).client == whole.client);
  return 0;
}
