// Replies of a peer: limits hold, the pieces they come in do not matter, and what is made of them
// can be written again and read back.
#include <string>

#include "relay/smtp/capabilities.h"
#include "relay/smtp/reply.h"
#include "tests/fuzz/bytes.h"

namespace postrider::fuzz {
namespace {

constexpr std::size_t kLines = 6;
constexpr std::size_t kLine = 64;

// All replies in `input`, one after another, as text.
std::string read_all(std::string_view input, std::size_t piece) {
  smtp::ReplyParser parser(kLines, kLine);
  std::string out;
  while (!input.empty()) {
    std::string_view part = input.substr(0, piece);
    input.remove_prefix(part.size());
    while (!part.empty()) {
      const smtp::ReplyVerdict verdict = parser.read(part);
      if (verdict == smtp::ReplyVerdict::kIncomplete) continue;
      if (verdict != smtp::ReplyVerdict::kComplete) return out + "!";
      require(parser.text().size() <= kLines * (kLine + 1));
      require(parser.text().find('\r') == std::string::npos);
      const message::Status status = parser.status();
      require(status.text.size() <= message::kStatusTextMax);
      require(!status.enhanced.present() || status.enhanced.cls == status.code / 100);
      out += std::to_string(parser.code()) + parser.text() + "\n";
      const smtp::ClientSession::Capabilities offered = smtp::parse_capabilities(parser.text());
      require(offered.auth.size() <= 32);

      std::string written;
      smtp::append_reply(written, status);
      std::string_view again = written;
      smtp::ReplyParser own(1000, 600);
      require(own.read(again) == smtp::ReplyVerdict::kComplete && again.empty());
      require(own.code() == status.code);
    }
  }
  return out;
}

}  // namespace
}  // namespace postrider::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postrider::fuzz::Bytes bytes(data, size);
  const std::size_t piece = 1U + bytes.byte() % 32U;
  const std::string_view input = bytes.rest();
  postrider::fuzz::require(postrider::fuzz::read_all(input, input.size() + 1) ==
                           postrider::fuzz::read_all(input, piece));
  return 0;
}
