#include "relay/policy/limits.h"

#include <gtest/gtest.h>
#include <vector>

namespace postrider::policy {
namespace {

Rate a_minute(std::uint64_t count) {
  return {count, Seconds(60)};
}

const Layer kBase{"[delivery]", {20, 500, 100, Rate(), Rate(), Rate()}};

TEST(Limits, TheBaseAlone) {
  const Limits limits = effective_limits(kBase, {}, nullptr);
  EXPECT_EQ(limits.connections_max.value, 20U);
  EXPECT_EQ(limits.messages_per_connection_max.value, 500U);
  EXPECT_EQ(limits.recipients_per_transaction_max.value, 100U);
  EXPECT_FALSE(limits.message_rate.value.is_limited());
  EXPECT_EQ(limits.connection_rate.from, "[delivery]");
  EXPECT_EQ(limits.queue_rate.from, "[delivery]");
}

TEST(Limits, TheMoreSpecialReplaces) {
  const std::vector<Layer> over = {{"provider p", {.messages_per_connection_max = 50}},
                                   {"site s", {.messages_per_connection_max = 900}},
                                   {"site t", {.message_rate = a_minute(5)}}};
  const Limits limits = effective_limits(kBase, over, nullptr);
  EXPECT_EQ(limits.messages_per_connection_max.value, 900U);
  EXPECT_EQ(limits.messages_per_connection_max.from, "site s");
  EXPECT_EQ(limits.message_rate.value, a_minute(5));
  EXPECT_EQ(limits.message_rate.from, "site t");
  EXPECT_EQ(limits.connections_max.from, "[delivery]");
}

TEST(Limits, ARateCanBeLifted) {
  const Layer base{"b", {1, 1, 1, a_minute(1), a_minute(2), a_minute(3)}};
  const std::vector<Layer> over = {{"s", {.message_rate = Rate()}}};
  const Limits limits = effective_limits(base, over, nullptr);
  EXPECT_FALSE(limits.message_rate.value.is_limited());
  EXPECT_EQ(limits.message_rate.from, "s");
  EXPECT_EQ(limits.connection_rate.value, a_minute(2));
}

TEST(Limits, TheSourceOnlyLowers) {
  const std::vector<Layer> over = {{"s", {.connections_max = 5, .message_rate = a_minute(10)}}};
  const Layer cold{"source cold", {.connections_max = 2, .message_rate = a_minute(3)}};
  const Limits lowered = effective_limits(kBase, over, &cold);
  EXPECT_EQ(lowered.connections_max.value, 2U);
  EXPECT_EQ(lowered.connections_max.from, "source cold");
  EXPECT_EQ(lowered.message_rate.value, a_minute(3));
  const Layer warm{"source warm", {.connections_max = 50, .message_rate = a_minute(300)}};
  const Limits kept = effective_limits(kBase, over, &warm);
  EXPECT_EQ(kept.connections_max.value, 5U);
  EXPECT_EQ(kept.message_rate.from, "s");
  const Layer lifted{"source l", {.message_rate = Rate(), .connection_rate = a_minute(9)}};
  const Limits some = effective_limits(kBase, over, &lifted);
  EXPECT_EQ(some.message_rate.value, a_minute(10));
  EXPECT_EQ(some.connection_rate.value, a_minute(9));
}

}  // namespace
}  // namespace postrider::policy
