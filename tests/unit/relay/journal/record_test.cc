#include "relay/journal/record.h"

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <random>

#include "relay/base/ascii.h"
#include "relay/message/utf8.h"

namespace postrider::journal {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr WallTime kTime{Milliseconds(1795299303123)};

std::string line_of(const Record& record) {
  std::string out;
  append_line(out, record);
  return out;
}

// The string of `recipient` as a line holds it, quotes included.
std::string recipient_as_json(std::string_view text) {
  Record record;
  record.recipient = text;
  const std::string line = line_of(record);
  const std::string key = R"("recipient":)";
  const std::size_t start = line.find(key) + key.size();
  return line.substr(start, line.rfind('}') - start);
}

TEST(Record, AMinimalLine) {
  Record record;
  record.time = kTime;
  EXPECT_EQ(line_of(record), "{\"time\":\"2026-11-21T22:15:03.123Z\",\"event\":\"accepted\"}\n");
}

TEST(Record, AllFieldsHaveTheirNames) {
  message::Envelope envelope;
  envelope.sender = {"me", "here.example"};
  envelope.user = "app";
  envelope.tenant = "t1";
  envelope.campaign = "c1";
  const message::Status status{250, {2, 0, 0}, "queued"};
  const Record record{.time = kTime,
                      .event = Event::kDelivered,
                      .id = "00ff",
                      .envelope = &envelope,
                      .recipient = "bob@there.example",
                      .size = 4096,
                      .client = "192.0.2.1",
                      .site = "mx.there.example",
                      .host = "mx1.there.example",
                      .ip = "192.0.2.2",
                      .tls = "TLSv1.3",
                      .source = "192.0.2.3",
                      .status = &status,
                      .attempts = 2,
                      .delay_seconds = 1.5,
                      .next = kTime + Seconds(60),
                      .report = "00fe"};
  EXPECT_EQ(line_of(record),
            R"({"time":"2026-11-21T22:15:03.123Z","event":"delivered","id":"00ff",)"
            R"("sender":"me@here.example","user":"app","tenant":"t1","campaign":"c1",)"
            R"("recipient":"bob@there.example","size":4096,"client":"192.0.2.1",)"
            R"("site":"mx.there.example","host":"mx1.there.example","ip":"192.0.2.2",)"
            R"("tls":"TLSv1.3","source":"192.0.2.3","reply":"250 2.0.0 queued","attempts":2,)"
            R"("delay":1.500,"next":"2026-11-21T22:16:03.123Z","report":"00fe"})"
            "\n");
}

TEST(Record, MetadataIsAnObject) {
  message::Envelope envelope;
  envelope.metadata = {{"x-a", "one \"two\""},
                       {"x-b",
                        "Gr\xc3\xbc\xc3\x9f"
                        "e"}};
  Record record;
  record.envelope = &envelope;
  EXPECT_THAT(line_of(record),
              HasSubstr("\"sender\":\"\",\"metadata\":{\"x-a\":\"one \\\"two\\\"\",\"x-b\":"
                        "\"Gr\xc3\xbc\xc3\x9f"
                        "e\"}"));
}

TEST(Record, WhatTheClientAskedForStandsWhereItWasAccepted) {
  message::Envelope envelope;
  envelope.release = kTime;
  envelope.release_request = "for;60";
  envelope.priority = -4;
  Record record;
  record.envelope = &envelope;
  record.asked_priority = -4;
  EXPECT_THAT(line_of(record), HasSubstr(R"("priority":-4,"release":"2026-11-21T22:15:03.123Z")"));
  EXPECT_THAT(line_of(record), Not(HasSubstr("asked_priority")));
  record.asked_priority = 9;
  EXPECT_THAT(line_of(record), HasSubstr(R"("asked_priority":9)"));
  record.event = Event::kDelivered;
  record.asked_priority.reset();
  EXPECT_THAT(line_of(record), HasSubstr(R"("priority":-4)"));
  EXPECT_THAT(line_of(record), Not(HasSubstr("release")));
  envelope.priority = 0;
  EXPECT_THAT(line_of(record), Not(HasSubstr("priority")));
}

TEST(Record, EventsHaveNames) {
  EXPECT_EQ(name_of(Event::kAccepted), "accepted");
  EXPECT_EQ(name_of(Event::kDelivered), "delivered");
  EXPECT_EQ(name_of(Event::kDeferred), "deferred");
  EXPECT_EQ(name_of(Event::kBounced), "bounced");
  EXPECT_EQ(name_of(Event::kExpired), "expired");
  EXPECT_EQ(name_of(Event::kRemoved), "removed");
}

TEST(Record, TheNullSenderIsSaid) {
  const message::Envelope envelope;
  Record record;
  record.envelope = &envelope;
  EXPECT_THAT(line_of(record), HasSubstr(R"("sender":"")"));
}

TEST(Record, LinesAreAppended) {
  std::string out = "before\n";
  append_line(out, Record{});
  append_line(out, Record{});
  EXPECT_THAT(out, StartsWith("before\n{"));
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3);
}

TEST(Record, EscapesWhatJsonCannotHold) {
  EXPECT_EQ(recipient_as_json("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(recipient_as_json("\n\t\r"), R"("\n\t\u000d")");
  EXPECT_EQ(recipient_as_json(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
}

TEST(Record, KeepsUtf8AndReplacesWhatIsNone) {
  EXPECT_EQ(recipient_as_json("j\xc3\xb6\xf0\x9f\x93\xac"), "\"j\xc3\xb6\xf0\x9f\x93\xac\"");
  EXPECT_EQ(recipient_as_json("a\xff\xc3"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(recipient_as_json("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(Record, IsOneLineToUnicodeReadersToo) {
  EXPECT_EQ(recipient_as_json("a\xc2\x85"
                              "b\xe2\x80\xa8"
                              "c\xe2\x80\xa9"),
            R"("a\u0085b\u2028c\u2029")");
}

TEST(Record, RepliesArePrintable) {
  const message::Status status{550, {5, 1, 1}, "no \"such\"\nuser\x1b \xff"};
  Record record;
  record.status = &status;
  EXPECT_THAT(line_of(record), HasSubstr(R"("reply":"550 5.1.1 no \"such\" user\\x1b \\xff")"));
}

TEST(Record, DelaysAreNumbersAlways) {
  const auto delay = [](double seconds) {
    Record record;
    record.delay_seconds = seconds;
    return line_of(record);
  };
  EXPECT_THAT(delay(0), EndsWith("\"delay\":0.000}\n"));
  EXPECT_THAT(delay(0.0004), EndsWith("\"delay\":0.000}\n"));
  EXPECT_THAT(delay(12.0456), EndsWith("\"delay\":12.046}\n"));
  EXPECT_THAT(delay(432000.999), EndsWith("\"delay\":432000.999}\n"));
  EXPECT_THAT(delay(-5), EndsWith("\"delay\":0.000}\n"));
  EXPECT_THAT(delay(std::numeric_limits<double>::infinity()), EndsWith(":1000000000.000}\n"));
  EXPECT_THAT(delay(std::nan("")), Not(HasSubstr("delay")));
}

// A reader of RFC 8259 strict enough for the property: an object of strings and numbers.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  // nullopt: no valid line.
  std::optional<std::map<std::string, std::string>> read() {
    std::map<std::string, std::string> fields;
    if (!take('{')) return std::nullopt;
    do {
      const auto key = string();
      if (!key || !take(':')) return std::nullopt;
      const auto value = rest_.starts_with('"') ? string() : number();
      if (!value || !fields.emplace(*key, *value).second) return std::nullopt;
    } while (take(','));
    if (rest_ != "}\n") return std::nullopt;
    return fields;
  }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<std::string> number() {
    const std::size_t length = rest_.find_first_not_of("0123456789.");
    const std::string out(rest_.substr(0, length));
    rest_.remove_prefix(out.size());
    return out.empty() ? std::nullopt : std::optional(out);
  }

  std::optional<std::string> string() {
    std::string out;
    if (!take('"')) return std::nullopt;
    while (!rest_.empty() && !take('"')) {
      const std::size_t length = message::utf8_sequence(rest_);
      if (length == 0 || static_cast<unsigned char>(rest_[0]) < 0x20) return std::nullopt;
      if (take('\\')) {
        const auto c = escaped();
        if (!c) return std::nullopt;
        out += *c;
      } else {
        out += rest_.substr(0, length);
        rest_.remove_prefix(length);
      }
    }
    return out;
  }

  // ASCII escapes as what they mean; others as U+FFFD stands in the comparison of the property.
  std::optional<std::string> escaped() {
    if (take('n')) return "\n";
    if (take('t')) return "\t";
    if (take('"')) return "\"";
    if (take('\\')) return "\\";
    if (!take('u') || rest_.size() < 4) return std::nullopt;
    const std::string digits(rest_.substr(0, 4));
    rest_.remove_prefix(4);
    if (digits.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
    const unsigned long point = std::stoul(digits, nullptr, 16);
    if (point == 0x85) return "\xc2\x85";
    if (point == 0x2028) return "\xe2\x80\xa8";
    if (point == 0x2029) return "\xe2\x80\xa9";
    if (point > 0x7f) return std::nullopt;
    return std::string(1, static_cast<char>(point));
  }

  std::string_view rest_;
};

// What a field must read back as: ill-formed octets are U+FFFD.
std::string repaired(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = message::utf8_sequence(text);
    out += length == 0 ? "\xef\xbf\xbd" : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

TEST(Record, AnyBytesMakeAValidLineThatReadsBack) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 generator(seed);
  constexpr std::string_view kPieces[] = {"\"",   "\\", "\n", "\xc2", "\x85", "\xe2\x80", "\xa8",
                                          "\xa9", "a",  "}",  ",",    "\x80", "\xf0\x9f", "\x1b"};
  const auto bytes = [&] {
    std::string out;
    for (std::size_t n = generator() % 12; n > 0; --n) {
      out += generator() % 3 == 0 ? std::string(1, static_cast<char>(generator() % 256))
                                  : std::string(kPieces[generator() % std::size(kPieces)]);
    }
    return out;
  };
  for (int round = 0; round < 5000; ++round) {
    message::Envelope envelope;
    envelope.sender.local = bytes();
    envelope.tenant = bytes();
    const std::string recipient = bytes();
    const std::string host = bytes();
    const message::Status status{550, {}, bytes()};
    const Record record{.time = kTime,
                        .envelope = &envelope,
                        .recipient = recipient,
                        .host = host,
                        .status = &status,
                        .delay_seconds = 1.25};
    const std::string line = line_of(record);
    const auto fields = Reader(line).read();
    ASSERT_TRUE(fields) << line;
    EXPECT_EQ(fields->at("sender"), repaired(envelope.sender.local));
    EXPECT_EQ(fields->count("host"), host.empty() ? 0U : 1U);
    if (!recipient.empty()) {
      EXPECT_EQ(fields->at("recipient"), repaired(recipient));
    }
    EXPECT_EQ(fields->at("reply"), status.to_line());
  }
}

}  // namespace
}  // namespace postrider::journal
