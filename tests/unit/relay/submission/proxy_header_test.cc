#include "relay/submission/proxy_header.h"

#include <gtest/gtest.h>

namespace postrider::submission {
namespace {

using namespace std::string_literals;
using State = ProxyHeader::State;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

// A block of version 2: command, family, and what the length counts.
std::string block(char command, char family, const std::string& rest) {
  const auto size = static_cast<unsigned>(rest.size());
  return kSignature + command + family + static_cast<char>(size >> 8U) +
         static_cast<char>(size & 0xffU) + rest;
}

// What a header says: "client", "own" for a connection of the balancer's, "-" for nobody, or the
// defect; and what came behind it.
std::string read(const std::string& bytes, std::size_t piece = 100'000) {
  ProxyHeader header;
  State state = State::kIncomplete;
  std::string_view left = bytes;
  std::string behind;
  while (!left.empty()) {
    std::string_view part = left.substr(0, piece);
    left.remove_prefix(part.size());
    if (state == State::kIncomplete) state = header.feed(part);
    behind += part;
  }
  if (state == State::kIncomplete) return "incomplete";
  if (state == State::kMalformed) return std::string(header.defect());
  const std::string nobody = header.is_local() ? "own" : "-";
  return (header.client() ? header.client()->to_string() : nobody) + "|" + behind;
}

struct Case {
  std::string bytes;
  std::string says;
};

const std::string kV4 = "\xc0\x00\x02\x07\x0a\x00\x00\x01\x30\x39\x02\x4b"s;
const std::string kV6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01"s +
                        std::string(16, '\0') + "\x30\x39\x02\x4b"s;

std::vector<Case> cases() {
  return {
      {"PROXY TCP4 192.0.2.7 10.0.0.1 12345 587\r\nEHLO x\r\n", "192.0.2.7:12345|EHLO x\r\n"},
      {"PROXY TCP6 2001:db8::1 ::1 12345 587\r\n", "[2001:db8::1]:12345|"},
      {"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", "192.0.2.7:1|"},
      {"PROXY UNKNOWN\r\nx", "-|x"},
      {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "-|"},
      {"PROXY TCP4 192.0.2.7 10.0.0.1 12345 587", "incomplete"},
      {"PROXY TCP4 192.0.2.7 10.0.0.1 12345 587\n", "the line does not end in CRLF"},
      {"PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n", "the line has other words"},
      {"PROXY TCP4 192.0.2.7 10.0.0.1 12345 587 \r\n", "the line has other words"},
      {"PROXY  TCP4 192.0.2.7 10.0.0.1 1 2\r\n", "the line has other words"},
      {"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", "the line has other words"},
      {"PROXY \r\n", "the line has other words"},
      {"PROXY TCP4 2001:db8::1 ::1 1 2\r\n", "the line has a bad address"},
      {"PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n", "the line has a bad address"},
      {"PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n", "the line has a bad address"},
      {"PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n", "the line has a bad address"},
      {"PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n", "the line has a bad address"},
      {"PROXY TCP4 192.0.2.7 10.0.0.1 -1 2\r\n", "the line has a bad address"},
      {"PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", "-|"},  // 107 octets
      {"PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", "the line is too long"},
      {"EHLO x\r\n", "there is no PROXY header"},
      {"PROXI", "there is no PROXY header"},
      {"\x16\x03\x01", "there is no PROXY header"},
      {"\r\n\r\nQUIT", "there is no PROXY header"},
      {block('\x21', '\x11', kV4) + "EHLO", "192.0.2.7:12345|EHLO"},
      {block('\x21', '\x21', kV6), "[2001:db8::1]:12345|"},
      {block('\x21', '\x11', kV4 + "\x04\x00\x03xyz"s) + "E", "192.0.2.7:12345|E"},  // an extension
      {block('\x20', '\0', "") + "x", "own|x"},                                      // LOCAL
      {block('\x20', '\x7f', "abc") + "x", "own|x"},
      {block('\x21', '\0', "abc") + "x", "-|x"},             // PROXY of nobody in particular
      {block('\x21', '\x12', kV4) + "x", "-|x"},             // UDP
      {block('\x21', '\x31', std::string(216, 'u')), "-|"},  // Unix
      {block('\x22', '\x11', kV4), "the block has another command"},
      {block('\x11', '\x11', kV4), "the block has another command"},
      {block('\x21', '\x13', kV4), "the block has another family"},
      {block('\x21', '\x41', kV4), "the block has another family"},
      {block('\x21', '\x11', kV4.substr(1)), "the block is too short"},
      {block('\x21', '\x21', kV6.substr(1)), "the block is too short"},
      {block('\x21', '\x11', kV4 + std::string(4096 - 16 - 12, '\0')), "192.0.2.7:12345|"},
      {block('\x21', '\x11', kV4 + std::string(4096 - 16 - 11, '\0')), "the block is too long"},
      {kSignature, "incomplete"},
      {"", "incomplete"},
  };
}

TEST(ProxyHeader, SaysWhoTheClientIs) {
  for (const Case& one : cases()) EXPECT_EQ(read(one.bytes), one.says) << one.bytes;
}

TEST(ProxyHeader, AnySplitOfTheBytesSaysTheSame) {
  for (const Case& one : cases()) {
    for (const std::size_t piece : {1U, 2U, 7U, 16U}) {
      const std::string said = read(one.bytes, piece);
      // What came behind a bad header is nobody's.
      EXPECT_EQ(said, one.says) << one.bytes << " in pieces of " << piece;
    }
  }
}

TEST(ProxyHeader, ALongBlockIsRefusedAtItsLength) {
  ProxyHeader header;
  const std::string bytes = kSignature + "\x21\x11\xff\xff"s;
  std::string_view left = bytes;
  EXPECT_EQ(header.feed(left), State::kMalformed);
}

TEST(ProxyHeader, TakesNothingMoreOnceItIsDone) {
  ProxyHeader header;
  std::string_view bytes = "PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n";
  EXPECT_EQ(header.feed(bytes), State::kDone);
  EXPECT_EQ(header.feed(bytes), State::kDone);
  EXPECT_EQ(bytes, "PROXY UNKNOWN\r\n");
}

}  // namespace
}  // namespace postrider::submission
