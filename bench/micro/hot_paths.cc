#include "bench/micro/hot_paths.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bench/micro/dialogs.h"
#include "queue/keys.h"
#include "queue/record.h"
#include "relay/base/check.h"
#include "relay/journal/record.h"
#include "relay/message/headers.h"
#include "relay/smtp/command.h"
#include "relay/smtp/data_codec.h"
#include "relay/smtp/reply.h"

namespace postrider::bench {

namespace {

constexpr std::size_t kSmallText = std::size_t{4} * 1024;
constexpr std::size_t kLargeText = std::size_t{64} * 1024;
constexpr queue::MessageId kId{0x0123456789abcdef, 0xfedcba9876543210};
constexpr WallTime kWhen{std::chrono::milliseconds(1'790'000'000'000)};

HotPath receive_message() {
  auto dialog = std::make_shared<ServerDialog>(kSmallText);
  return [dialog] { dialog->play(); };
}

HotPath send_message() {
  auto dialog = std::make_shared<ClientDialog>(kSmallText);
  return [dialog] { dialog->play(); };
}

HotPath decode_text() {
  auto stuffed = std::make_shared<std::string>(stuffed_text(kLargeText));
  return [stuffed] {
    smtp::DataDecoder decoder(1000);
    std::string_view left = *stuffed;
    std::size_t size = 0;
    while (!left.empty() && !decoder.ended()) size += decoder.take(left).size();
    PR_CHECK(decoder.ended() && decoder.defects() == 0 && size > kLargeText / 2);
  };
}

HotPath encode_text() {
  auto body = std::make_shared<message::Body>(canonical_text(kLargeText));
  return [body] {
    const auto chunks = smtp::encode_data(*body);
    PR_CHECK(chunks && !chunks->empty());
  };
}

HotPath scan_header() {
  auto text = std::make_shared<std::string>(canonical_text(kSmallText));
  return [text] {
    message::HeaderScan scan;
    scan.feed(*text);
    PR_CHECK(scan.ended() && scan.has_from());
  };
}

HotPath trace_field() {
  return [] {
    message::TraceFacts facts;
    facts.helo = "client.example.org";
    facts.client = IpAddress::v4(0xc0000201);
    facts.by = "relay.example.com";
    facts.protocol = "ESMTPSA";
    facts.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384";
    facts.id = "01M80775AG0004HRGZHXRV33KH";
    facts.when = kWhen;
    PR_CHECK(message::received_field(facts).size() > 100);
  };
}

HotPath message_record() {
  auto message = std::make_shared<queue::Message>();
  message->id = kId;
  message->envelope = sample_envelope();
  message->size = kSmallText;
  message->arrived = message->expires = kWhen;
  message->deliveries = 1;
  const std::string key = queue::message_key(kId);
  return [message, key] {
    const auto again = queue::decode_message(key, queue::encode(key, *message));
    PR_CHECK(again && again->size == message->size);
  };
}

HotPath delivery_record() {
  auto delivery = std::make_shared<queue::DeliveryRecord>();
  delivery->domain = "example.net";
  delivery->recipients = sample_recipients();
  delivery->due = kWhen;
  delivery->last_status = {451, {4, 2, 1}, "mailbox busy, try again later"};
  const std::string key = queue::delivery_key({kId, 1});
  return [delivery, key] {
    const auto again = queue::decode_delivery(key, queue::encode(key, *delivery));
    PR_CHECK(again && again->recipients.size() == delivery->recipients.size());
  };
}

HotPath body_record() {
  auto text = std::make_shared<std::string>(canonical_text(kLargeText));
  return [text] {
    const std::string_view pieces[] = {*text};
    PR_CHECK(queue::body_trailer("b0123456789abcdef", pieces).size() == queue::kTrailerSize);
  };
}

HotPath journal_line() {
  auto envelope = std::make_shared<message::Envelope>(sample_envelope());
  auto status = std::make_shared<message::Status>(
      message::Status{250, {2, 0, 0}, "ok: queued as 4b6QxV0kQxz"});
  return [envelope, status] {
    journal::Record record;
    record.time = kWhen;
    record.event = journal::Event::kDelivered;
    record.id = "01M80775AG0004HRGZHXRV33KH";
    record.envelope = envelope.get();
    record.recipient = "alice@example.net";
    record.size = kSmallText;
    record.site = "mx1.example.net";
    record.host = "mx1.example.net";
    record.ip = "192.0.2.25";
    record.status = status.get();
    record.delay_seconds = 0.25;
    std::string line;
    journal::append_line(line, record);
    PR_CHECK(line.ends_with("}\n"));
  };
}

HotPath parse_commands() {
  return [] {
    const auto mail = smtp::parse_mail("FROM:<news@example.com> SIZE=4096 BODY=8BITMIME", true);
    const auto rcpt = smtp::parse_rcpt("TO:<alice@example.net> NOTIFY=FAILURE", false);
    PR_CHECK(std::holds_alternative<smtp::MailCommand>(mail));
    PR_CHECK(std::holds_alternative<message::Recipient>(rcpt));
  };
}

HotPath parse_reply() {
  return [] {
    std::string_view input =
        "250-mx1.example.net greets you\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
        "250-STARTTLS\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n";
    smtp::ReplyParser parser(100, 2048);
    PR_CHECK(parser.read(input) == smtp::ReplyVerdict::kComplete && parser.code() == 250);
  };
}

constexpr std::array<HotPathEntry, 12> kHotPaths = {{
    {"receive_message_4k", receive_message},
    {"send_message_4k", send_message},
    {"decode_text_64k", decode_text},
    {"encode_text_64k", encode_text},
    {"scan_header", scan_header},
    {"trace_field", trace_field},
    {"message_record", message_record},
    {"delivery_record", delivery_record},
    {"body_record_64k", body_record},
    {"journal_line", journal_line},
    {"parse_commands", parse_commands},
    {"parse_reply", parse_reply},
}};

}  // namespace

std::span<const HotPathEntry> hot_paths() {
  return kHotPaths;
}

}  // namespace postrider::bench
