#include "relay/auth/keyed_digest.h"

#include <gmock/gmock.h>

namespace postrider::auth {
namespace {

TEST(KeyedDigest, IsTheSameForTheSameParts) {
  const KeyedDigest digests;
  EXPECT_EQ(digests.of({"alice", "sesame"}), digests.of({"alice", "sesame"}));
  EXPECT_NE(digests.of({"alice", "sesame"}), digests.of({"alice", "Sesame"}));
}

TEST(KeyedDigest, KeepsItsPartsApart) {
  const KeyedDigest digests;
  EXPECT_NE(digests.of({"ab", "c"}), digests.of({"a", "bc"}));
  EXPECT_NE(digests.of({"ab", ""}), digests.of({"ab"}));
  EXPECT_NE(digests.of({"a", "1:b"}), digests.of({"a1:b"}));
  EXPECT_NE(digests.of({"1:a", "b"}), digests.of({"1", "a1:b"}));
}

TEST(KeyedDigest, DependsOnTheKey) {
  EXPECT_NE(KeyedDigest().of({"alice"}), KeyedDigest().of({"alice"}));
  const std::string kept(KeyedDigest::kKeySize, 'k');
  EXPECT_EQ(KeyedDigest(kept).of({"alice"}), KeyedDigest(kept).of({"alice"}));
  EXPECT_NE(KeyedDigest(kept).of({"alice"}), KeyedDigest().of({"alice"}));
}

TEST(KeyedDigest, ComparesTexts) {
  const KeyedDigest digests;
  EXPECT_TRUE(digests.equal("sesame", "sesame"));
  EXPECT_TRUE(digests.equal("", ""));
  EXPECT_FALSE(digests.equal("sesame", "sesam"));
  EXPECT_FALSE(digests.equal("sesame", "tesame"));
  EXPECT_FALSE(digests.equal(std::string_view("a\0b", 3), "a"));
}

TEST(Wipe, LeavesNothing) {
  std::string secret(100, 'x');
  const char* bytes = secret.data();
  wipe(secret);
  EXPECT_TRUE(secret.empty());
  // Still the string's own memory: clear() keeps it.
  EXPECT_EQ(std::string(bytes, 100), std::string(100, '\0'));
}

}  // namespace
}  // namespace postrider::auth
