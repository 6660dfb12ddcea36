#include "relay/journal/line_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/relay/journal/file_size_limit.h"

namespace postrider::journal {
namespace {

namespace fs = std::filesystem;

class LineFileTest : public ::testing::Test {
 protected:
  LineFileTest() {
    std::string pattern = ::testing::TempDir() + "lines.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }

  ~LineFileTest() override { fs::remove_all(folder_); }

  std::string path(const std::string& name = "f") { return folder_ / name; }

  LineFile open() {
    auto file = LineFile::open(path());
    EXPECT_TRUE(file) << file.error().text();
    return std::move(*file);
  }

  std::string read(const std::string& name = "f") {
    std::ostringstream content;
    content << std::ifstream(path(name), std::ios::binary).rdbuf();
    return content.str();
  }

  fs::path folder_;
};

TEST_F(LineFileTest, AppendsAndCountsOctets) {
  LineFile file = open();
  EXPECT_EQ(file.size(), 0U);
  EXPECT_EQ(file.append("one\ntwo\n").lines, 0U);
  EXPECT_EQ(file.size(), 8U);
  EXPECT_EQ(read(), "one\ntwo\n");
  EXPECT_TRUE(sync_lines(*file.for_sync()));
  EXPECT_TRUE(file.clear());
  EXPECT_EQ(file.size(), 0U);
  file.append("three\n");
  EXPECT_EQ(read(), "three\n");
}

TEST_F(LineFileTest, BoundsItsSizeWithoutAskingForIt) {
  std::ofstream(path()) << "torn";
  LineFile file = open();
  EXPECT_EQ(file.size_bound(), 5U);
  file.append("one\n");
  EXPECT_EQ(file.size_bound(), 9U);
  fs::resize_file(path(), 0);  // as an outside tool does that has copied it
  EXPECT_EQ(file.size_bound(), 9U);
  EXPECT_EQ(file.size(), 0U);
  EXPECT_EQ(file.size_bound(), 0U);
}

TEST_F(LineFileTest, EndsATornLastLineAtOpen) {
  std::ofstream(path()) << "whole\ntorn";
  EXPECT_EQ(open().size(), 11U);
  EXPECT_EQ(open().size(), 11U) << "nothing to end any more";
  EXPECT_EQ(read(), "whole\ntorn\n");
}

TEST_F(LineFileTest, WholeLinesOfAShortWriteStay) {
  LineFile file = open();
  const FileSizeLimit limit(12);
  EXPECT_EQ(file.append("abc\ndef\nghi\njkl\nmno\n").lines, 2U);
  EXPECT_EQ(file.size(), 12U);
  EXPECT_EQ(read(), "abc\ndef\nghi\n");
}

TEST_F(LineFileTest, ALineThatDoesNotFitIsTakenBack) {
  LineFile file = open();
  const FileSizeLimit limit(6);
  const LineFile::Lost lost = file.append("one\ntwo\nthree\n");
  EXPECT_EQ(lost.lines, 2U);
  EXPECT_EQ(lost.error, EFBIG);
  EXPECT_EQ(file.size(), 4U);
}

TEST_F(LineFileTest, ALineThatCannotBeTakenBackIsEnded) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  const Descriptor reader = open_descriptor(path(), O_RDONLY | O_NONBLOCK);
  LineFile file = open();
  EXPECT_FALSE(file.is_regular());
  // More than a pipe holds: the end of the line is lost, and a pipe gives nothing back.
  EXPECT_EQ(file.append(std::string(4 << 20, 'x') + "\n").lines, 1U);
  std::string held(1 << 20, '\0');
  while (::read(reader.get(), held.data(), held.size()) > 0) continue;
  EXPECT_EQ(file.append("next\n").lines, 0U);
  const ssize_t n = ::read(reader.get(), held.data(), held.size());
  EXPECT_EQ(held.substr(0, static_cast<std::size_t>(std::max<ssize_t>(n, 0))), "\nnext\n");
}

TEST_F(LineFileTest, ADeviceThatIsFullLosesEveryLine) {
  auto full = LineFile::open("/dev/full");
  ASSERT_TRUE(full);
  EXPECT_FALSE(full->is_regular());
  EXPECT_EQ(full->size(), 0U);
  const LineFile::Lost lost = full->append("one\ntwo\n");
  EXPECT_EQ(lost.lines, 2U);
  EXPECT_EQ(lost.error, ENOSPC);
}

TEST_F(LineFileTest, KnowsWhetherItStillHasItsName) {
  const LineFile file = open();
  EXPECT_TRUE(file.is_at(path()));
  fs::rename(path(), path("g"));
  EXPECT_FALSE(file.is_at(path()));
  EXPECT_TRUE(file.is_at(path("g")));
  open();
  EXPECT_FALSE(file.is_at(path())) << "another file of this name";
}

TEST_F(LineFileTest, WhatCannotBeOpenedIsAnError) {
  EXPECT_EQ(LineFile::open(path("no/folder")).error().system_code(), ENOENT);
  EXPECT_EQ(LineFile::open(folder_).error().system_code(), EISDIR);
  EXPECT_FALSE(LineFile().is_open());
}

}  // namespace
}  // namespace postrider::journal
