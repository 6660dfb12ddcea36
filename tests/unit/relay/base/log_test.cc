#include "relay/base/log.h"

#include <array>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <regex>
#include <unistd.h>
#include <vector>

#include "relay/base/guarded.h"
#include "relay/base/line_limit.h"

namespace postrider::log {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Guarded<std::vector<std::string>> written;

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    written.lock()->clear();
    set_sink([](std::string_view line) { written.lock()->emplace_back(line); });
  }

  ~LogTest() override {
    set_sink(nullptr);
    set_level(Level::kInfo);
  }

  static std::vector<std::string> lines() { return *written.lock(); }
};

TEST_F(LogTest, WritesTimeLevelAreaMessageAndFields) {
  warning("delivery", "destination refused us", {{"site", "mx.example"}, {"code", 421}});
  ASSERT_THAT(lines(), SizeIs(1));
  const std::regex shape(
      R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning delivery: destination refused us )"
      R"(site=mx\.example code=421)");
  EXPECT_TRUE(std::regex_match(lines().front(), shape)) << lines().front();
}

TEST_F(LogTest, QuotesValuesThatWouldRunTogether) {
  info("t", "quoting", {{"a", "b c"}, {"d", "x=y"}, {"e", ""}, {"f", "say \"hi\""}});
  EXPECT_THAT(lines(), ElementsAre(EndsWith(R"(a="b c" d="x=y" e="" f="say \"hi\"")")));
}

TEST_F(LogTest, ForeignTextCannotForgeALine) {
  info("t", "forging", {{"reply", "250 ok\r\n2026 error t: x\x1b"}});
  EXPECT_THAT(lines(), ElementsAre(EndsWith(R"(reply="250 ok\x0d\x0a2026 error t: x\x1b")")));
}

TEST_F(LogTest, ABackslashCannotEndTheQuotes) {
  info("t", "closing", {{"v", "a b\\"}});
  EXPECT_THAT(lines(), ElementsAre(EndsWith(R"(v="a b\\")")));
}

TEST_F(LogTest, CutsLongValues) {
  info("t", "cutting", {{"v", std::string(10000, 'x')}});
  EXPECT_THAT(lines(), ElementsAre(EndsWith("v=" + std::string(512, 'x') + "...")));
}

TEST_F(LogTest, DropsWhatIsBelowTheLevel) {
  debug("t", "level");
  EXPECT_THAT(lines(), IsEmpty());
  set_level(Level::kDebug);
  debug("t", "level");
  EXPECT_THAT(lines(), ElementsAre(EndsWith(" debug t: level")));
  set_level(Level::kError);
  warning("t", "level");
  EXPECT_THAT(lines(), SizeIs(1));
}

TEST_F(LogTest, HoldsARepeatingKeyBack) {
  for (int i = 0; i < 100; ++i) error("t", "repeating", {{"i", i}});
  // The hundred lines may straddle the end of one window, not of more.
  EXPECT_GE(lines().size(), LineLimit::kLinesPerWindow);
  EXPECT_LE(lines().size(), 2 * LineLimit::kLinesPerWindow);
}

TEST_F(LogTest, WhatIsAnnouncedIsNotHeldBack) {
  for (int i = 0; i < 100; ++i) announce("t", "announcing", {{"i", i}});
  EXPECT_THAT(lines(), SizeIs(100));
  EXPECT_THAT(lines().back(), EndsWith(" info t: announcing i=99"));
  set_level(Level::kWarning);
  announce("t", "announcing");
  EXPECT_THAT(lines(), SizeIs(100));
}

TEST_F(LogTest, GoesToStandardErrorAsOneLine) {
  set_sink(nullptr);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(pipe[1], STDERR_FILENO);
  error("t", "to standard error");
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::close(pipe[1]);
  std::array<char, 200> buffer{};
  const ssize_t got = ::read(pipe[0], buffer.data(), buffer.size());
  ::close(pipe[0]);
  ASSERT_GT(got, 0);
  EXPECT_THAT(std::string(buffer.data(), static_cast<std::size_t>(got)),
              EndsWith(" error t: to standard error\n"));
}

// Stderr as a pipe that nobody reads for a while: the log neither waits nor mixes its lines.
TEST(LogToStderr, AFullPipeHoldsNobodyUp) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  const std::string value(400, 'v');
  for (int i = 0; i < 1000; ++i) warning("t", "filling " + std::to_string(i), {{"v", value}});
  // As much as a pipe holds; then all is well again.
  std::string read(1 << 20, '\0');
  const ssize_t size = ::read(ends[0], read.data(), read.size());
  warning("t", "after", {});
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(ends[1]);
  ASSERT_GT(size, 10'000);
  read.resize(static_cast<std::size_t>(size));
  EXPECT_THAT(read, ::testing::HasSubstr("t: filling 0 v=vvv"));
  std::string rest(10'000, '\0');
  rest.resize(static_cast<std::size_t>(::read(ends[0], rest.data(), rest.size())));
  ::close(ends[0]);
  EXPECT_THAT(rest, ::testing::MatchesRegex(
                        ".* warning log: lines were lost, since nobody read them lines=[0-9]+\n"
                        ".* warning t: after\n"));
}

}  // namespace
}  // namespace postrider::log
