#include "relay/daemon/journal_sync.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <optional>

#include "tests/unit/relay/daemon/daemon_fixture.h"

namespace postrider::daemon {
namespace {

class JournalSyncTest : public ::testing::Test {
 protected:
  void start(Duration interval) {
    writer_ = std::move(*journal::Writer::open({.file = directory_.path("journal.jsonl")}));
    sync_.emplace(*writer_, interval);
  }

  void append() {
    writer_->append("{}\n");
    sync_->note_append();
  }

  bool wait_for_syncs(unsigned count) {
    return wait_until([&] { return sync_->syncs() >= count; });
  }

  TempDirectory directory_;
  std::unique_ptr<journal::Writer> writer_;
  std::optional<JournalSync> sync_;
};

TEST_F(JournalSyncTest, SyncsAfterTheLastLineToo) {
  start(Milliseconds(5));
  append();
  EXPECT_TRUE(wait_for_syncs(1));
  append();
  EXPECT_TRUE(wait_for_syncs(2));
}

TEST_F(JournalSyncTest, RestsWhileNothingIsWritten) {
  start(Milliseconds(1));
  append();
  ASSERT_TRUE(wait_for_syncs(1));
  const TimePoint later = std::chrono::steady_clock::now() + Milliseconds(20);
  ASSERT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > later; }));
  EXPECT_EQ(sync_->syncs(), 1U);
}

TEST_F(JournalSyncTest, LinesOfOneIntervalShareASync) {
  start(Milliseconds(200));
  for (int i = 0; i < 100; ++i) append();
  ASSERT_TRUE(wait_for_syncs(1));
  EXPECT_LE(sync_->syncs(), 2U);
}

TEST_F(JournalSyncTest, OpensTheFileAnewWhenAsked) {
  start(std::chrono::hours(1));
  append();
  std::filesystem::rename(directory_.path("journal.jsonl"), directory_.path("old"));
  sync_->reopen();
  EXPECT_TRUE(
      wait_until([&] { return std::filesystem::exists(directory_.path("journal.jsonl")); }));
}

TEST_F(JournalSyncTest, EndsWithoutWaitingForTheInterval) {
  start(std::chrono::hours(1));
  append();
  const TimePoint begun = std::chrono::steady_clock::now();
  sync_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::minutes(1));
}

}  // namespace
}  // namespace postrider::daemon
