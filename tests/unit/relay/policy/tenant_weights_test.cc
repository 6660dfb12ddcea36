#include "relay/policy/tenant_weights.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

TEST(TenantWeights, AreReadFromTexts) {
  EXPECT_EQ(parse_tenant_weight("shop:3"), (std::pair<std::string, unsigned>("shop", 3)));
  EXPECT_EQ(parse_tenant_weight("a:b:1000"), (std::pair<std::string, unsigned>("a:b", 1000)));
  for (const char* wrong : {"", "shop", ":3", "shop:", "shop:0", "shop:1001", "shop:x", "shop:3x",
                            "shop:-1", "sh op:3"}) {
    EXPECT_FALSE(parse_tenant_weight(wrong)) << wrong;
  }
  const TenantWeights weights = parse_tenant_weights({"shop:3", "news:2"});
  EXPECT_EQ(weights.size(), 2U);
  EXPECT_EQ(weights.at("shop"), 3U);
}

}  // namespace
}  // namespace postrider::policy
