#include <gmock/gmock.h>

#include "tests/unit/relay/smtp/server_fixture.h"

namespace postrider::smtp {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;

class ServerTextTest : public ServerFixture {
 protected:
  std::string text(std::string_view bytes) {
    envelope();
    client("DATA");
    return raw(bytes);
  }
};

TEST_F(ServerTextTest, TextGoesOnAsItIs) {
  EXPECT_THAT(text("Subject: x\r\n\r\n..y\r\n.\r\n"), StartsWith("250"));
  EXPECT_EQ(body, "Subject: x\r\n\r\n.y\r\n");
  EXPECT_EQ(aborted_or_committed, "committed");
}

TEST_F(ServerTextTest, ALargeReadIsOnePart) {
  envelope();
  client("DATA");
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += "a line of ordinary length in an ordinary message\r\n";
  session().receive(bytes, now);
  drain();
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0], bytes.data());  // a view, not a copy
}

TEST_F(ServerTextTest, ADefectAbortsAtOnceAndIsToldAtTheEnd) {
  EXPECT_EQ(text("a\nb\r\n"), "");
  EXPECT_EQ(aborted_or_committed, "aborted");
  EXPECT_EQ(raw("more\r\n"), "");
  EXPECT_THAT(raw(".\r\n"), StartsWith("554 5.6.0 bare LF"));
  EXPECT_EQ(body, "");
  EXPECT_THAT(refusals, Contains("bare_lf 554"));
}

TEST_F(ServerTextTest, ALargeTextIsNotKept) {
  options.message_size_max = 100;
  text("x\r\n");
  for (int i = 0; i < 50; ++i) raw("xxxxxxxxxxxxxxxxxxxxxx\r\n");
  EXPECT_LE(body.size(), 100U);
  EXPECT_EQ(aborted_or_committed, "aborted");
  EXPECT_THAT(raw(".\r\n"), StartsWith("552 5.3.4"));
}

TEST_F(ServerTextTest, ADefectIsNamedBeforeSizeWhicheverCameFirst) {
  options.message_size_max = 10;
  EXPECT_THAT(text("0123456789012345\r\na\rb\r\n.\r\n"), StartsWith("554 5.6.0 bare CR"));
}

TEST_F(ServerTextTest, ALoop) {
  options.received_max = 1;
  EXPECT_THAT(text("Received: a\r\nReceived: b\r\n\r\n.\r\n"), StartsWith("554 5.4.6"));
  EXPECT_EQ(aborted_or_committed, "aborted");
}

TEST_F(ServerTextTest, ChunksAreCountedExactly) {
  envelope();
  EXPECT_EQ(raw("BDAT 4\r\nQUITBDAT 6 LAST\r\nRSET\r\n"),
            "250 2.0.0 4 octets received\r\n250 2.0.0 Ok\r\n");
  EXPECT_EQ(body, "QUITRSET\r\n");
}

TEST_F(ServerTextTest, ChunksThatEndWithinALineAreCompleted) {
  envelope();
  raw("BDAT 3\r\nabcBDAT 0 LAST\r\n");
  EXPECT_EQ(body, "abc\r\n");
}

TEST_F(ServerTextTest, AHugeChunkIsReadPastNotStored) {
  options.message_size_max = 100;
  envelope();
  raw("BDAT 100000 LAST\r\n");
  const std::string line = std::string(998, 'x') + "\r\n";
  for (int i = 0; i < 99; ++i) EXPECT_EQ(raw(line), "");
  EXPECT_THAT(raw(line), StartsWith("552 5.3.4"));
  EXPECT_EQ(body.size(), 0U);
  EXPECT_THAT(client("NOOP"), StartsWith("250"));
}

TEST_F(ServerTextTest, RsetBetweenChunksAborts) {
  envelope();
  raw("BDAT 3\r\nabc");
  client("RSET");
  EXPECT_EQ(aborted_or_committed, "aborted");
}

TEST_F(ServerTextTest, TheConnectionEndsWithinTheText) {
  text("half");
  session().end_of_input(now);
  drain();
  EXPECT_EQ(aborted_or_committed, "aborted");
  EXPECT_EQ(close_reason, "peer_closed");
}

TEST_F(ServerTextTest, TheTransactionIsOverWhateverTheCommitSaid) {
  envelope();
  answers = false;
  raw("DATA\r\nx\r\n.\r\n");
  EXPECT_THAT(answer({452, {4, 3, 1}, "Full"}), StartsWith("452 4.3.1 Full"));
  EXPECT_THAT(refusals, Contains("commit_refused 452"));
  EXPECT_THAT(client("DATA"), StartsWith("503"));
}

}  // namespace
}  // namespace postrider::smtp
