#include "relay/policy/tls_demand.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

TEST(TlsDemand, NamesItsLevels) {
  EXPECT_EQ(name_of(TlsLevel::kNone), "none");
  EXPECT_EQ(name_of(TlsLevel::kMay), "may");
  EXPECT_EQ(name_of(TlsLevel::kEncrypt), "encrypt");
  EXPECT_EQ(name_of(TlsLevel::kVerify), "verify");
}

TEST(TlsDemand, PlaintextFollowsOnlyWhereItIsAllowed) {
  EXPECT_EQ(after_tls_failure(TlsLevel::kMay), AfterTlsFailure::kPlaintextOnce);
  EXPECT_EQ(after_tls_failure(TlsLevel::kNone), AfterTlsFailure::kPlaintextOnce);
  EXPECT_EQ(after_tls_failure(TlsLevel::kEncrypt), AfterTlsFailure::kNextHost);
  EXPECT_EQ(after_tls_failure(TlsLevel::kVerify), AfterTlsFailure::kNextHost);
}

}  // namespace
}  // namespace postrider::policy
