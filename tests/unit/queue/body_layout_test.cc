#include "queue/body_layout.h"

#include <gtest/gtest.h>

namespace postrider::queue {
namespace {

constexpr std::uint64_t kChunk = kBodyChunkSize;

TEST(BodyLayout, AnOrdinaryBodyHasEqualChunks) {
  EXPECT_EQ((BodyLayout{0, 0}.chunks()), 0U);
  EXPECT_EQ((BodyLayout{0, 0}.pieces()), 0U);
  EXPECT_EQ((BodyLayout{1, 0}.chunks()), 1U);
  EXPECT_EQ((BodyLayout{kChunk, 0}.chunks()), 1U);
  EXPECT_EQ((BodyLayout{4 * kChunk, 0}.pieces()), 1U);
  EXPECT_EQ((BodyLayout{4 * kChunk + 1, 0}.chunks()), 5U);
  EXPECT_EQ((BodyLayout{4 * kChunk + 1, 0}.pieces()), 2U);
  EXPECT_EQ((BodyLayout{4 * kChunk + 1, 0}.octets(3)), kChunk);
  EXPECT_EQ((BodyLayout{4 * kChunk + 1, 0}.octets(4)), 1U);
}

TEST(BodyLayout, AFrontIsAChunkOfItsOwn) {
  EXPECT_EQ((BodyLayout{7, 7}.chunks()), 1U);
  EXPECT_EQ((BodyLayout{7, 7}.pieces()), 1U);
  EXPECT_EQ((BodyLayout{kChunk + 7, 7}.chunks()), 2U);
  EXPECT_EQ((BodyLayout{3 * kChunk + 7, 7}.pieces()), 1U);
  EXPECT_EQ((BodyLayout{3 * kChunk + 8, 7}.pieces()), 2U);  // less than Queue::kPieceSize
  EXPECT_EQ((BodyLayout{OpenBody::kFrontMax + 1, OpenBody::kFrontMax}.octets(0)),
            OpenBody::kFrontMax);
}

TEST(BodyLayout, TheChunksMakeTheBody) {
  for (const std::uint64_t front : {std::uint64_t{0}, std::uint64_t{1}, kChunk, 3 * kChunk + 5}) {
    for (std::uint64_t behind = 0; behind < 3 * kChunk + 2; behind += kChunk / 2 - 1) {
      const BodyLayout layout{front + behind, front};
      std::uint64_t sum = 0;
      for (std::uint32_t chunk = 0; chunk < layout.chunks(); ++chunk) {
        EXPECT_GT(layout.octets(chunk), 0U);
        sum += layout.octets(chunk);
      }
      EXPECT_EQ(sum, layout.size);
    }
  }
}

}  // namespace
}  // namespace postrider::queue
