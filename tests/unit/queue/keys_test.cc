#include "queue/keys.h"

#include <gtest/gtest.h>
#include <tuple>

#include "relay/base/random.h"

namespace postrider::queue {
namespace {

std::string any_text(SeededRandom& random) {
  // Few different bytes, the special ones among them, so that prefixes and ties are common.
  static constexpr std::string_view kBytes("\x00\x01\x02z\xfe\xff", 6);
  std::string text;
  for (std::uint64_t i = random.below(4); i > 0; --i) text.push_back(kBytes[random.below(6)]);
  return text;
}

QueueName any_name(SeededRandom& random) {
  return {any_text(random), any_text(random), any_text(random),
          static_cast<Band>(random.below(kBands))};
}

TEST(QueueName, OrderOfKeysIsOrderOfNames) {
  SeededRandom random(11);
  const auto rank = [](const QueueName& name) {
    return std::tie(name.domain, name.tenant, name.campaign, name.band);
  };
  for (int i = 0; i < 20'000; ++i) {
    const QueueName a = any_name(random);
    const QueueName b = any_name(random);
    EXPECT_EQ(rank(a) < rank(b), encode(a) < encode(b));
    EXPECT_EQ(a == b, encode(a) == encode(b));
    EXPECT_EQ(a == b, encode(b).starts_with(encode(a)));
  }
}

TEST(QueueName, ComesBackFromTheFrontOfMore) {
  SeededRandom random(12);
  for (int i = 0; i < 2000; ++i) {
    const QueueName name = any_name(random);
    const std::string bytes = encode(name) + "rest";
    std::string_view at = bytes;
    EXPECT_EQ(decode_queue_name(at), name);
    EXPECT_EQ(tenant_of(encode(name)), name.tenant);
    EXPECT_EQ(at, "rest");
  }
}

TEST(QueueName, CutOrForeignBytesAreNone) {
  const std::string whole = encode({"example.com", "t", "c"});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::string_view cut = std::string_view(whole).substr(0, size);
    EXPECT_FALSE(decode_queue_name(cut)) << size;
  }
  std::string_view wrong("a\x00\x02", 3);
  EXPECT_FALSE(decode_queue_name(wrong));
}

TEST(DueKey, SortsByTimeThenIdThenNumber) {
  SeededRandom random(13);
  const std::string queue = encode({"example.com", "", ""});
  const auto any = [&] {
    return Position{WallTime(Milliseconds(random.below(3))),
                    {random.below(2), random.below(2)},
                    static_cast<std::uint32_t>(random.below(3))};
  };
  for (int i = 0; i < 5000; ++i) {
    const Position a = any();
    const Position b = any();
    EXPECT_EQ(a < b, due_key(queue, a) < due_key(queue, b));
    EXPECT_EQ(decode_position(due_key(queue, a), queue), a);
  }
}

TEST(DueKey, BelongsToItsQueueOnly) {
  const std::string queue = encode({"example.com", "", ""});
  const std::string other = encode({"example.net", "", ""});
  const std::string key = due_key(queue, {WallTime(Milliseconds(5)), {1, 2}, 3});
  EXPECT_FALSE(decode_position(key, other));
  EXPECT_FALSE(decode_position(key + "x", queue));
  EXPECT_LT(due_key(queue, Position::end()), due_key(other, {}));
}

TEST(DueKey, TimesBefore1970Are1970) {
  const std::string queue = encode({"example.com", "", ""});
  EXPECT_EQ(due_key(queue, {WallTime(Milliseconds(-5)), {}, 0}), due_key(queue, {}));
}

TEST(Keys, IdsComeBack) {
  const DeliveryKey delivery{{0x0123456789abcdef, 42}, 7};
  EXPECT_EQ(decode_delivery_key(delivery_key(delivery)), delivery);
  EXPECT_EQ(decode_delivery_key(quarantine_key(delivery)), delivery);
  EXPECT_EQ(decode_id(message_key(delivery.id)), delivery.id);
  EXPECT_FALSE(decode_id("m123"));
  EXPECT_FALSE(decode_delivery_key(message_key(delivery.id)));
}

TEST(Keys, AfterPrefixIsTheFirstBehindAll) {
  EXPECT_EQ(after_prefix("a"), "b");
  EXPECT_EQ(after_prefix(std::string("a\xff\xff")), "b");
  EXPECT_LT(std::string("a\xff\xff\xff"), after_prefix("a"));
}

}  // namespace
}  // namespace postrider::queue
