#include "relay/journal/writer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>
#include <zlib.h>

#include "relay/base/guarded.h"
#include "relay/base/log.h"
#include "tests/unit/relay/journal/file_size_limit.h"

namespace {

// A disk that takes its time, for as long as a test says.
std::atomic<bool> sync_is_slow = false;
std::atomic<int> syncs_under_way = 0;

}  // namespace

// In the place of the system's.
extern "C" int fdatasync(int file) {
  ++syncs_under_way;
  while (sync_is_slow) std::this_thread::yield();
  --syncs_under_way;
  return ::fsync(file);
}

namespace postrider::journal {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Guarded<std::vector<std::string>> logged;

class WriterTest : public ::testing::Test {
 protected:
  WriterTest() {
    std::string pattern = ::testing::TempDir() + "journal.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    logged.lock()->clear();
    log::set_sink([](std::string_view line) { logged.lock()->emplace_back(line); });
  }

  ~WriterTest() override {
    log::set_sink(nullptr);
    fs::remove_all(folder_);
  }

  std::string path(const std::string& name = "j") { return folder_ / name; }

  void make(const std::string& name, std::string_view content) {
    std::ofstream(path(name), std::ios::binary) << content;
  }

  std::string read(const std::string& name = "j") {
    std::ostringstream content;
    content << std::ifstream(path(name), std::ios::binary).rdbuf();
    return content.str();
  }

  // What a gzip file holds; "damaged" if it is none.
  std::string unzip(const std::string& name) {
    const gzFile file = ::gzopen(path(name).c_str(), "rb");
    std::string out(1 << 20, '\0');
    const int n = file == nullptr ? -1 : ::gzread(file, out.data(), 1 << 20);
    const bool direct = file == nullptr || ::gzdirect(file) != 0;
    if (file != nullptr) ::gzclose(file);
    if (n < 0 || direct) return "damaged";
    out.resize(static_cast<std::size_t>(n));
    return out;
  }

  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      out.push_back(entry.path().filename().string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  std::unique_ptr<Writer> open(std::uint64_t rotate_size = 0, unsigned keep = 3) {
    auto writer = Writer::open({path(), rotate_size, keep});
    EXPECT_TRUE(writer) << writer.error().text();
    return std::move(*writer);
  }

  // Waits for the compressing thread; false if it takes far longer than it may.
  static bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  // Appends `line`, which must lead to a rotation as soon as the last compression has ended.
  bool append_and_rotate(Writer& writer, const std::string& line) {
    struct stat before {};

    struct stat after {};

    ::stat(path().c_str(), &before);
    writer.append(line);
    return eventually([&] {
      ::stat(path().c_str(), &after);
      if (after.st_ino == before.st_ino) writer.append("again\n");
      return after.st_ino != before.st_ino;
    });
  }

  fs::path folder_;
};

TEST_F(WriterTest, AppendsToWhatIsThere) {
  make("j", "old\n");
  const auto writer = open();
  writer->append("one\n");
  writer->append("two\nthree\n");
  writer->append("");
  EXPECT_EQ(read(), "old\none\ntwo\nthree\n");
  EXPECT_EQ(writer->dropped_lines(), 0U);
  EXPECT_THAT(*logged.lock(), IsEmpty());
}

TEST_F(WriterTest, CreatesTheFileForItsOwnerAndGroup) {
  const mode_t before = ::umask(0022);
  open();
  ::umask(before);

  struct stat facts {};

  ASSERT_EQ(::stat(path().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0640U);
}

TEST_F(WriterTest, WithoutAFileNothingIsWritten) {
  const auto writer = Writer::open({});
  ASSERT_TRUE(writer);
  (*writer)->append("one\n");
  (*writer)->reopen();
  (*writer)->sync();
  EXPECT_EQ((*writer)->dropped_lines(), 0U);
}

TEST_F(WriterTest, ATornLastLineIsEnded) {
  make("j", "whole\n{\"torn");
  open()->append("next\n");
  EXPECT_EQ(read(), "whole\n{\"torn\nnext\n");
}

TEST_F(WriterTest, APathThatCannotBeOpenedIsAnError) {
  const auto missing = Writer::open({path("no/such/folder")});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().system_code(), ENOENT);
  EXPECT_THAT(missing.error().text(), AllOf(HasSubstr("no/such/folder"), HasSubstr("journal")));
  const auto folder = Writer::open({folder_});
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().system_code(), EISDIR);
}

TEST_F(WriterTest, AFullDiskDropsCountsAndSaysItOnce) {
  const auto writer = Writer::open({"/dev/full"});
  ASSERT_TRUE(writer) << writer.error().text();
  for (int i = 0; i < 10; ++i) (*writer)->append("one\ntwo\n");
  EXPECT_EQ((*writer)->dropped_lines(), 20U);
  EXPECT_THAT(*logged.lock(), ElementsAre(AllOf(HasSubstr("/dev/full"), HasSubstr("No space"))));
}

TEST_F(WriterTest, APipeThatNobodyReadsStopsNothing) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_FALSE(Writer::open({path()})) << "nobody reads it at all";
  const int reader = ::open(path().c_str(), O_RDONLY | O_NONBLOCK);
  const auto writer = open(1);
  const std::string line = std::string(1023, 'x') + "\n";
  for (int i = 0; i < 2000; ++i) writer->append(line);
  EXPECT_GT(writer->dropped_lines(), 0U);
  ::close(reader);
}

TEST_F(WriterTest, AShortWriteWithinALineLeavesNoPartOfIt) {
  const auto writer = open();
  {
    const FileSizeLimit limit(10);
    writer->append("abc\ndefghijkl\nmno\n");
    EXPECT_EQ(writer->dropped_lines(), 2U);
    writer->append("0123456789\n");
    EXPECT_EQ(writer->dropped_lines(), 3U);
  }
  writer->append("after\n");
  EXPECT_EQ(read(), "abc\nafter\n");
  EXPECT_EQ(writer->dropped_lines(), 3U);
  EXPECT_THAT(*logged.lock(), ElementsAre(HasSubstr("cannot be written"),
                                          AllOf(HasSubstr("again"), HasSubstr("dropped_lines=3"))));
}

TEST_F(WriterTest, ReopenFollowsAnOutsideRename) {
  const auto writer = open();
  writer->append("one\n");
  fs::rename(path("j"), path("j.old"));
  writer->append("two\n");
  writer->reopen();
  writer->append("three\n");
  EXPECT_EQ(read("j.old"), "one\ntwo\n");
  EXPECT_EQ(read("j"), "three\n");
}

// A day has many of them, and a process few descriptors.
TEST_F(WriterTest, ReopeningAndRotatingKeepNoOldFileOpen) {
  const auto open_files = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  const auto before = open_files();
  {
    const auto writer = open(10);
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(append_and_rotate(*writer, "more than ten octets\n"));
      writer->reopen();
    }
  }
  EXPECT_EQ(open_files(), before);
}

TEST_F(WriterTest, AReopenThatFailsLosesNoLine) {
  const auto writer = open();
  fs::rename(path("j"), path("j.old"));
  fs::create_directory(path("j"));
  writer->reopen();
  writer->append("one\n");
  EXPECT_EQ(read("j.old"), "one\n");
  EXPECT_EQ(writer->dropped_lines(), 0U);
  EXPECT_THAT(*logged.lock(), ElementsAre(HasSubstr("cannot be reopened")));
}

TEST_F(WriterTest, RotatesWhenTheSizeIsPassed) {
  const auto writer = open(10);
  writer->append("01234567\n");
  writer->append("\n");
  EXPECT_THAT(names(), ElementsAre("j")) << "ten octets have not passed ten";
  writer->append("a\n");
  EXPECT_THAT(names(), ElementsAre("j", "j.1"));
  EXPECT_EQ(read("j.1"), "01234567\n\na\n");
  EXPECT_EQ(read("j"), "");
  writer->append("b\n");
  EXPECT_EQ(read("j"), "b\n");
}

TEST_F(WriterTest, TheSizeOfAnEarlierProcessCounts) {
  make("j", "0123456789\n");
  open(10)->append("a\n");
  EXPECT_EQ(read("j.1"), "0123456789\na\n");
}

TEST_F(WriterTest, NeverRotatesWithoutASize) {
  const auto writer = open(0);
  writer->append(std::string(100'000, 'x') + "\n");
  EXPECT_THAT(names(), ElementsAre("j"));
}

TEST_F(WriterTest, CompressesAllButTheNewestAndKeepsANumber) {
  const auto writer = open(4, 3);
  for (const char* line : {"first\n", "second\n", "third\n", "fourth\n", "fifth\n"}) {
    ASSERT_TRUE(append_and_rotate(*writer, line));
  }
  ASSERT_TRUE(eventually([&] { return !fs::exists(path("j.2")); }));
  EXPECT_THAT(names(), ElementsAre("j", "j.1", "j.2.gz", "j.3.gz"));
  EXPECT_THAT(read("j.1"), HasSubstr("fifth\n"));
  EXPECT_THAT(unzip("j.2.gz"), HasSubstr("fourth\n"));
  EXPECT_THAT(unzip("j.3.gz"), HasSubstr("third\n"));
}

TEST_F(WriterTest, CompressedFilesHoldEveryByte) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i * 7919 % 10'007) + "\n";
  const auto writer = open(4);
  ASSERT_TRUE(append_and_rotate(*writer, text));
  ASSERT_TRUE(append_and_rotate(*writer, "next\n"));
  ASSERT_TRUE(eventually([&] { return !fs::exists(path("j.2")); }));
  EXPECT_EQ(unzip("j.2.gz"), text);
  EXPECT_LT(fs::file_size(path("j.2.gz")), text.size() / 2);
}

TEST_F(WriterTest, KeepingNoneEmptiesTheFile) {
  const auto writer = open(4, 0);
  writer->append("01234\n");
  EXPECT_THAT(names(), ElementsAre("j"));
  EXPECT_EQ(read(), "");
  writer->append("a\n");
  EXPECT_EQ(read(), "a\n");
}

TEST_F(WriterTest, KeepingOneCompressesNothing) {
  const auto writer = open(4, 1);
  ASSERT_TRUE(append_and_rotate(*writer, "first\n"));
  ASSERT_TRUE(append_and_rotate(*writer, "second\n"));
  EXPECT_THAT(names(), ElementsAre("j", "j.1"));
  EXPECT_THAT(read("j.1"), HasSubstr("second\n"));
}

TEST_F(WriterTest, FinishesTheCompressionOfAnEarlierProcess) {
  make("j.2", "left over\n");
  make("j.gz.tmp", "half of it");
  const auto writer = open(1000);
  ASSERT_TRUE(eventually([&] { return !fs::exists(path("j.2")); }));
  EXPECT_EQ(unzip("j.2.gz"), "left over\n");
  EXPECT_THAT(names(), ElementsAre("j", "j.2.gz"));
}

TEST_F(WriterTest, WhatCannotBeCompressedIsKeptAsItIs) {
  fs::create_directory(path("j.gz.tmp"));
  make("j.2", "old\n");
  const auto writer = open(1000);
  ASSERT_TRUE(eventually([&] { return !logged.lock()->empty(); }));
  EXPECT_THAT(logged.lock()->front(), HasSubstr("stays uncompressed"));
  EXPECT_EQ(read("j.2"), "old\n");
}

TEST_F(WriterTest, ARotationThatCannotRenameGoesOnWriting) {
  fs::create_directory(path("j.1"));
  make("j.1/x", "keeps the folder from being replaced");
  const auto writer = open(4, 1);
  writer->append("01234\n");
  writer->append("56\n");
  EXPECT_EQ(read(), "01234\n56\n");
  EXPECT_EQ(writer->dropped_lines(), 0U);
  EXPECT_THAT(*logged.lock(), ElementsAre(HasSubstr("cannot be rotated")))
      << "the next try comes after as much again";
}

TEST_F(WriterTest, AnOutsideRenameIsNotRotatedTwice) {
  const auto writer = open(10);
  make("j.1", "older\n");
  writer->append("one\n");
  fs::rename(path("j"), path("j.outside"));
  writer->append("0123456789\n");
  EXPECT_EQ(read("j.1"), "older\n");
  EXPECT_EQ(read("j.outside"), "one\n0123456789\n");
  writer->append("two\n");
  EXPECT_EQ(read(), "two\n");
}

TEST_F(WriterTest, AFileEmptiedFromOutsideIsNotRotatedEarly) {
  const auto writer = open(10);
  writer->append("01234567\n");
  fs::resize_file(path(), 0);
  writer->append("012345\n");
  EXPECT_THAT(names(), ElementsAre("j"));
  EXPECT_EQ(read(), "012345\n");
}

TEST_F(WriterTest, SyncLeavesTheFileAsItIs) {
  const auto writer = open();
  writer->append("one\n");
  writer->sync();
  EXPECT_EQ(read(), "one\n");
  EXPECT_THAT(*logged.lock(), IsEmpty());
}

TEST_F(WriterTest, ASlowSyncHoldsUpNoLine) {
  const auto writer = open();
  writer->append("one\n");
  sync_is_slow = true;
  std::thread syncing([&] { writer->sync(); });
  while (syncs_under_way == 0) std::this_thread::yield();
  writer->append("two\n");
  writer->reopen();
  writer->append("three\n");
  EXPECT_EQ(read(), "one\ntwo\nthree\n");
  EXPECT_EQ(syncs_under_way, 1);
  sync_is_slow = false;
  syncing.join();
}

TEST_F(WriterTest, LinesOfManyThreadsStayWholeThroughRotation) {
  constexpr int kThreads = 4;
  constexpr int kLines = 500;
  {
    const auto writer = open(4096, 1000);
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&writer, t] {
        for (int i = 0; i < kLines; ++i) {
          writer->append("line-" + std::to_string(t) + "-" + std::to_string(i) + "\n");
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(writer->dropped_lines(), 0U);
  }
  std::set<std::string> seen;
  for (const std::string& name : names()) {
    std::istringstream lines(name.ends_with(".gz") ? unzip(name) : read(name));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_TRUE(seen.insert(line).second) << line << " twice, again in " << name;
    }
  }
  EXPECT_THAT(seen, SizeIs(kThreads * kLines));
}

}  // namespace
}  // namespace postrider::journal
