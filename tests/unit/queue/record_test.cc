#include "queue/record.h"

#include <gtest/gtest.h>
#include <set>

#include "queue/keys.h"
#include "relay/base/ascii.h"
#include "relay/base/random.h"

namespace postrider::queue {
namespace {

const MessageId kId{0x018bcfe568000000, 0x1122334455667788};

Message a_message() {
  Message message;
  message.id = kId;
  message.envelope.sender = {"a", "example.org"};
  message.envelope.eight_bit = true;
  message.envelope.return_content = message::ReturnContent::kHeaders;
  message.envelope.envelope_id = "QQ314159";
  message.envelope.tenant = "acme";
  message.envelope.campaign = "spring";
  message.envelope.user = "app";
  message.size = 5'000'000'000;
  message.arrived = WallTime(Milliseconds(1'700'000'000'000));
  message.expires = WallTime(Milliseconds(1'700'432'000'000));
  message.deliveries = 3;
  return message;
}

DeliveryRecord a_delivery() {
  DeliveryRecord delivery;
  delivery.domain = "example.com";
  delivery.recipients = {{{"b", "example.com"}, message::kNotifyFailure, "rfc822;b@example.com"},
                         {{"c", "example.com"}, 0, ""}};
  delivery.attempts = 4;
  delivery.delay_reported = true;
  delivery.due = WallTime(Milliseconds(1'700'000'300'000));
  delivery.last_status = {451, {4, 7, 1}, "try\nlater"};
  return delivery;
}

TEST(Records, MessageComesBackWhole) {
  const std::string key = message_key(kId);
  const auto back = decode_message(key, encode(key, a_message()));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->id, kId);
  EXPECT_EQ(back->envelope, a_message().envelope);
  EXPECT_EQ(back->size, 5'000'000'000U);
  EXPECT_EQ(back->arrived, a_message().arrived);
  EXPECT_EQ(back->expires, a_message().expires);
  EXPECT_EQ(back->deliveries, 3U);
}

TEST(Records, MetadataComesBackAndIsBounded) {
  const std::string key = message_key(kId);
  Message message = a_message();
  const std::string without = encode(key, message);
  message.envelope.metadata = {{"x-job", "nightly"}, {"x-user", ""}};
  const std::string with = encode(key, message);
  EXPECT_EQ(decode_message(key, without)->envelope.metadata.size(), 0U);
  EXPECT_EQ(decode_message(key, with)->envelope.metadata, message.envelope.metadata);
  EXPECT_EQ(with.size() - without.size(), 1U + 6 + 8 + 7 + 1);
  message.envelope.metadata = {{"x-job", std::string(257, 'x')}};
  EXPECT_FALSE(decode_message(key, encode(key, message)));
  message.envelope.metadata.assign(17, {"x-job", "x"});
  EXPECT_FALSE(decode_message(key, encode(key, message)));
}

TEST(Records, WhatTheClientAskedForComesBack) {
  const std::string key = message_key(kId);
  Message message = a_message();
  const std::string without = encode(key, message);
  EXPECT_EQ(decode_message(key, without)->envelope.release, WallTime());
  EXPECT_EQ(decode_message(key, without)->envelope.priority, 0);
  message.envelope.release = message.arrived + Seconds(60);
  message.envelope.release_request = "for;60";
  message.envelope.priority = -9;
  message.envelope.metadata = {{"x-job", "nightly"}};
  const std::string with = encode(key, message);
  EXPECT_EQ(with.size() - without.size(), 6U + 1 + 6 + 1 + 1 + 6 + 8);
  EXPECT_EQ(decode_message(key, with)->envelope, message.envelope);
  EXPECT_EQ(decode_message(key, with)->released(), message.envelope.release);
  for (message.envelope.priority = -9; message.envelope.priority <= 9;
       ++message.envelope.priority) {
    EXPECT_EQ(decode_message(key, encode(key, message))->envelope, message.envelope);
  }
  EXPECT_FALSE(decode_message(key, encode(key, message))) << "priority 10";
}

// Without one a record is byte for byte as it was before there were any.
TEST(Records, AFrontComesBack) {
  const std::string key = message_key(kId);
  for (const bool with_metadata : {false, true}) {
    Message message = a_message();
    if (with_metadata) message.envelope.metadata = {{"x-job", "nightly"}};
    const std::string without = encode(key, message);
    EXPECT_EQ(decode_message(key, without)->front, 0U);
    message.front = 300;
    const std::string with = encode(key, message);
    EXPECT_EQ(with.size() - without.size(), with_metadata ? 2U : 3U);
    ASSERT_TRUE(decode_message(key, with));
    EXPECT_EQ(decode_message(key, with)->front, 300U);
    EXPECT_EQ(decode_message(key, with)->envelope, message.envelope);
    message.front = message.size;
    EXPECT_EQ(decode_message(key, encode(key, message))->front, message.size);
    message.front = message.size + 1;
    EXPECT_FALSE(decode_message(key, encode(key, message)));
  }
}

TEST(Records, AMarkSaysNothingButThatItIsOne) {
  const std::string key = open_key(kId);
  const std::string mark = encode_mark(key);
  EXPECT_EQ(mark.size(), kTrailerSize);
  EXPECT_TRUE(is_mark(key, mark));
  EXPECT_FALSE(is_mark(message_key(kId), mark));
  EXPECT_FALSE(is_mark(key, encode_number(key, 1)));
  EXPECT_FALSE(is_mark(key, ""));
}

TEST(Records, DeliveryComesBackWhole) {
  const std::string key = delivery_key({kId, 1});
  const auto back = decode_delivery(key, encode(key, a_delivery()));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->domain, "example.com");
  EXPECT_EQ(back->recipients, a_delivery().recipients);
  EXPECT_EQ(back->attempts, 4U);
  EXPECT_TRUE(back->delay_reported);
  EXPECT_EQ(back->due, a_delivery().due);
  EXPECT_EQ(back->last_status, a_delivery().last_status);
}

TEST(Records, AReplyIsKeptUpToItsLimit) {
  DeliveryRecord delivery = a_delivery();
  delivery.last_status.text = std::string(100'000, 'x');
  const std::string key = delivery_key({kId, 1});
  EXPECT_EQ(decode_delivery(key, encode(key, delivery))->last_status.text.size(),
            message::kStatusTextMax);
}

TEST(Records, BandsComeBackAndNoFourthOneIsKnown) {
  const std::string key = message_key(kId);
  std::set<char> flags;
  for (const Band band : {Band::kLow, Band::kNormal, Band::kHigh}) {
    Message message;
    message.band = band;
    const std::string value = encode(key, message);
    flags.insert(value[0]);
    ASSERT_TRUE(decode_message(key, value));
    EXPECT_EQ(decode_message(key, value)->band, band);
  }
  EXPECT_EQ(flags, (std::set<char>{0, 16, 32}));
  std::string_view unknown("a\0\1\0\1\0\1\3", 8);
  EXPECT_FALSE(decode_queue_name(unknown));
}

TEST(Records, SuspensionsComeBack) {
  for (const Suspension& rule :
       {Suspension{"a.example", "", "", "why", std::nullopt},
        Suspension{"", "t", std::string("\0x", 2), "", WallTime(Milliseconds(7))}, Suspension{}}) {
    const std::string key = suspension_key(rule.domain, rule.tenant, rule.campaign);
    const auto back = decode_suspension(key, encode(key, rule));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->domain, rule.domain);
    EXPECT_EQ(back->tenant, rule.tenant);
    EXPECT_EQ(back->campaign, rule.campaign);
    EXPECT_EQ(back->reason, rule.reason);
    EXPECT_EQ(back->until, rule.until);
    for (std::size_t size = 0; size < key.size(); ++size) {
      EXPECT_FALSE(decode_suspension_key(key.substr(0, size))) << size;
    }
    EXPECT_FALSE(decode_suspension_key(key + "x"));
  }
}

TEST(Records, TheSmallOnesComeBack) {
  const std::string queue = queue_key("q");
  const auto record = decode_queue(queue, encode(queue, QueueRecord{7, 900, 3, WallTime::max()}));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->deliveries, 7U);
  EXPECT_EQ(record->on_hold, 3U);
  EXPECT_EQ(record->due_bound, WallTime::max());
  const std::string key = state_key("totals");
  const auto totals = decode_totals(key, encode(key, Totals{1, 2, 3, kId, {4, 5}}));
  ASSERT_TRUE(totals);
  EXPECT_EQ(totals->last_id, kId);
  EXPECT_EQ(totals->low_water, (MessageId{4, 5}));
  for (const std::uint64_t number : {0ULL, 127ULL, 128ULL, ~0ULL}) {
    EXPECT_EQ(decode_number("k", encode_number("k", number)), number);
  }
  EXPECT_EQ(decode_text("k", encode_text("k", "why")), "why");
}

// Any one flipped bit, any cut, any addition, and any other key: never taken for a record.
TEST(Records, DamageIsSeen) {
  const std::string key = delivery_key({kId, 1});
  const std::string value = encode(key, a_delivery());
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string damaged = value;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_delivery(key, damaged)) << bit;
  }
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode_delivery(key, value.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_delivery(key, value + '\0'));
  EXPECT_FALSE(decode_delivery(delivery_key({kId, 2}), value));
}

TEST(Records, WhatVerifiesButDoesNotFitIsRefused) {
  // A text that claims more than there is, and a number that runs on, under a right checksum.
  for (const std::uint64_t number : {200ULL, ~0ULL}) {
    const std::string value = encode_number("k", number);
    EXPECT_FALSE(decode_text("k", value));
    EXPECT_FALSE(decode_message(message_key(kId), value));
  }
  EXPECT_FALSE(decode_number("k", encode_text("k", "why")));
}

TEST(Records, NoBytesCrashADecoder) {
  SeededRandom random(5);
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = random.token(random.below(60));
    static_cast<void>(decode_message(message_key(kId), bytes));
    static_cast<void>(decode_delivery("k", bytes));
    static_cast<void>(decode_totals("k", bytes));
  }
}

TEST(BodyChunks, VerifyWhateverTheirPieces) {
  const std::string key = body_key(kId, 0);
  const std::vector<std::string_view> pieces = {"ab", "", "cde"};
  const auto trailer = body_trailer(key, pieces);
  const std::string stored = "abcde" + std::string(trailer.data(), trailer.size());
  const auto body = open_body_chunk(key, Chunk(stored));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->view(), "abcde");
  EXPECT_FALSE(open_body_chunk(body_key(kId, 1), Chunk(stored)));
  std::string damaged = stored;
  damaged[2] = 'X';
  EXPECT_FALSE(open_body_chunk(key, Chunk(damaged)));
  EXPECT_FALSE(open_body_chunk(key, Chunk("abc")));
}

// FORMAT.md's worked example; if this changes, so has the format.
class FormatPage : public ::testing::Test {
 protected:
  static void expect(const std::string& key, const std::string& value, const char* key_hex,
                     const char* value_hex) {
    EXPECT_EQ(ascii::hex(key), key_hex);
    EXPECT_EQ(ascii::hex(value), value_hex);
  }

  const WallTime arrived_{Milliseconds(1'700'000'000'000)};
  const std::string queue_ = encode(QueueName{"example.com", "acme", ""});
};

TEST_F(FormatPage, Message) {
  Message message;
  message.envelope.sender = {"a", "example.org"};
  message.envelope.tenant = "acme";
  message.size = 7;
  message.arrived = arrived_;
  message.expires = WallTime(Milliseconds(1'700'432'000'000));
  message.deliveries = 1;
  const std::string key = message_key(kId);
  expect(key, encode(key, message), "6d018bcfe5680000001122334455667788",
         "0001610b6578616d706c652e6f7267000461636d6500000780d095ffbc3180e894cdbe310101ae8c8f06");
}

TEST_F(FormatPage, MessageWithAFront) {
  Message message;
  message.envelope.sender = {"a", "example.org"};
  message.envelope.tenant = "acme";
  message.size = 65'556;
  message.front = 20;
  message.arrived = arrived_;
  message.expires = WallTime(Milliseconds(1'700'432'000'000));
  message.deliveries = 1;
  const std::string key = message_key(kId);
  expect(key, encode(key, message), "6d018bcfe5680000001122334455667788",
         "0001610b6578616d706c652e6f7267000461636d65000094800480d095ffbc3180e894cdbe310100140111416"
         "755");
  const std::string mark = open_key(kId);
  expect(mark, encode_mark(mark), "6f018bcfe5680000001122334455667788", "01cebf1e44");
}

TEST_F(FormatPage, Delivery) {
  DeliveryRecord delivery;
  delivery.domain = "example.com";
  delivery.recipients = {{{"b", "example.com"}, 0, ""}};
  delivery.due = arrived_;
  const std::string key = delivery_key({kId, 0});
  expect(key, encode(key, delivery), "64018bcfe568000000112233445566778800000000",
         "0080d095ffbc31000b6578616d706c652e636f6d000000000001016200000109f431c8");
}

TEST_F(FormatPage, Due) {
  expect(
      due_key(queue_, {arrived_, kId, 0}), "",
      "696578616d706c652e636f6d000161636d6500010001010000018bcfe56800018bcfe568000000112233445566"
      "778800000000",
      "");
}

TEST_F(FormatPage, Body) {
  const std::string key = body_key(kId, 0);
  const std::vector<std::string_view> pieces = {"Hello\r\n"};
  const auto trailer = body_trailer(key, pieces);
  expect(key, "Hello\r\n" + std::string(trailer.data(), trailer.size()),
         "62018bcfe568000000112233445566778800000000", "48656c6c6f0d0a01443dce14");
}

TEST_F(FormatPage, QueueAndState) {
  const std::string queue = queue_key(queue_);
  expect(queue, encode(queue, QueueRecord{1, 7, 0, arrived_}),
         "716578616d706c652e636f6d000161636d650001000101", "010780d095ffbc3101b3bb427b");
  const std::string totals = state_key("totals");
  expect(totals, encode(totals, Totals{1, 1, 7, kId, {}}), "73746f74616c73",
         "010107018bcfe56800000011223344556677880000000000000000000000000000000001a7e6e038");
  const std::string tenant = tenant_key("acme");
  expect(tenant, encode(tenant, TenantRecord{1, 7}), "7461636d65", "01070120b48968");
  const std::string schema = state_key("schema");
  expect(schema, encode_number(schema, kSchemaVersion), "73736368656d61", "0301fb12582d");
}

}  // namespace
}  // namespace postrider::queue
