// The header scan: pieces do not matter, it ends at the empty line, and nothing else is looked at.
// The header section: taken apart and put together it is what it was, and of whatever a From field
// says, authors are addresses.
#include <string>

#include "relay/message/header_section.h"
#include "relay/message/headers.h"
#include "tests/fuzz/bytes.h"

namespace postrider::fuzz {
namespace {

message::HeaderScan scan(std::string_view input, std::size_t piece) {
  message::HeaderScan scan;
  bool more = true;
  while (!input.empty() && more) {
    more = scan.feed(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
  }
  return scan;
}

bool same(const message::HeaderScan& a, const message::HeaderScan& b) {
  return a.received_count() == b.received_count() && a.has_date() == b.has_date() &&
         a.has_message_id() == b.has_message_id() && a.has_from() == b.has_from() &&
         a.size() == b.size() && a.ended() == b.ended();
}

void check_section(const std::string& text) {
  message::HeaderSection section(text);
  const std::size_t count = section.size();
  require(section.fields().size() == count);
  if (section.add("X-New", "y")) require(section.to_string() == "X-New: y\r\n" + text);
}

void check_authors(std::string_view value) {
  for (const bool utf8 : {false, true}) {
    const message::Authors authors = message::parse_authors(value, utf8);
    for (const auto* addresses : {&authors.addresses, &authors.shown}) {
      for (const message::Address& address : *addresses) {
        require(!address.domain.empty() && message::parse_mailbox(address.to_string(), utf8));
      }
    }
  }
}

}  // namespace
}  // namespace postrider::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using postrider::fuzz::require;
  postrider::fuzz::Bytes bytes(data, size);
  const std::size_t piece = 1U + bytes.byte() % 16U;
  const std::string_view input = bytes.rest();
  const postrider::message::HeaderScan whole = postrider::fuzz::scan(input, input.size() + 1);
  require(postrider::fuzz::same(whole, postrider::fuzz::scan(input, piece)));
  require(whole.size() <= input.size());
  const std::size_t limit = bytes.empty() ? 100 : 1000;
  const std::string section =
      postrider::message::header_section(postrider::message::Body(std::string(input)), limit);
  require(section.size() <= limit);
  postrider::fuzz::check_section(section);
  postrider::fuzz::check_authors(input);
  return 0;
}
