#include "relay/base/bytes.h"

#include <gtest/gtest.h>

namespace postrider {
namespace {

TEST(Chunk, TakesAStringOverWithoutCopying) {
  std::string text(1000, 'x');
  const char* const data = text.data();
  const Chunk chunk(std::move(text));
  EXPECT_EQ(chunk.view().data(), data);
  EXPECT_EQ(chunk.size(), 1000U);
}

TEST(Chunk, ShortStringsSurviveTheirChunkMoving) {
  Chunk chunk(std::string("short"));
  const Chunk moved = std::move(chunk);
  EXPECT_EQ(moved.view(), "short");
}

TEST(Chunk, SlicesShareTheBytesAndOutliveTheWhole) {
  Chunk whole(std::string("hello world"));
  const char* const data = whole.view().data();
  const Chunk tail = whole.slice(6);
  const Chunk middle = tail.slice(1, 3);
  whole = Chunk();
  EXPECT_EQ(tail.view(), "world");
  EXPECT_EQ(middle.view(), "orl");
  EXPECT_EQ(middle.view().data(), data + 7);
}

TEST(Chunk, KeepsItsOwnerAlive) {
  const auto owner = std::make_shared<std::string>("pinned");
  {
    const Chunk chunk(owner, *owner);
    EXPECT_EQ(owner.use_count(), 2);
    EXPECT_EQ(chunk.view(), "pinned");
  }
  EXPECT_EQ(owner.use_count(), 1);
}

TEST(Chunk, EmptyInAllItsForms) {
  EXPECT_TRUE(Chunk().empty());
  EXPECT_TRUE(Chunk(std::string()).empty());
  EXPECT_TRUE(Chunk(std::string("x")).slice(1).empty());
}

}  // namespace
}  // namespace postrider
