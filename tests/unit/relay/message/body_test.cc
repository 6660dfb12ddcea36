#include "relay/message/body.h"

#include <gtest/gtest.h>

namespace postrider::message {
namespace {

TEST(Body, IsItsChunksInOrder) {
  Body body("b");
  body.append(Chunk(std::string("c")));
  body.prepend(Chunk(std::string("a")));
  EXPECT_EQ(body.to_string(), "abc");
  EXPECT_EQ(body.size(), 3U);
  EXPECT_EQ(body.chunks().size(), 3U);
}

TEST(Body, KeepsNoEmptyChunk) {
  Body body{std::string()};
  body.append(Chunk());
  body.prepend(Chunk(std::string()));
  EXPECT_TRUE(body.chunks().empty());
  EXPECT_EQ(body.size(), 0U);
}

TEST(Body, CopiesShareTheBytes) {
  const Body body("text");
  const Body copy = body;
  EXPECT_EQ(copy.chunks()[0].view().data(), body.chunks()[0].view().data());
}

}  // namespace
}  // namespace postrider::message
