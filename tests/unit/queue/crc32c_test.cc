#include "queue/crc32c.h"

#include <gtest/gtest.h>
#include <string>

#include "relay/base/random.h"

namespace postrider::queue {
namespace {

// RFC 3720 appendix B.4.
TEST(Crc32c, KnownSums) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(Crc32c, BothWaysAgreeOnAnySplit) {
  SeededRandom random(3);
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string text = random.token(size);
    const std::size_t cut = random.below(size + 1);
    EXPECT_EQ(crc32c(text), crc32c_portable(text)) << size;
    EXPECT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), crc32c(text)) << size;
  }
}

}  // namespace
}  // namespace postrider::queue
