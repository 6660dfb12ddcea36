#include "queue/log_gap.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <unistd.h>

#include "queue/rocks_store.h"
#include "relay/base/random.h"

namespace postrider::queue {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// With a header and `length` octets behind it.
std::string record(std::size_t length) {
  std::string text = "crc.";
  text += static_cast<char>(length & 0xFFU);
  text += static_cast<char>(length >> 8U);
  text += '\1';
  return text + std::string(length, 'r');
}

TEST(FindGap, IsBehindTheLastRecord) {
  EXPECT_EQ(find_gap(""), std::nullopt);
  EXPECT_EQ(find_gap(record(300)), std::nullopt);
  EXPECT_EQ(find_gap(record(300) + record(0) + std::string(7, '\0')), 314U);
  EXPECT_EQ(find_gap(std::string(kLogBlock, '\0')), 0U);
}

TEST(FindGap, WhatHoldsNoHeaderIsNone) {
  EXPECT_EQ(find_gap(record(10) + std::string(6, '\0')), std::nullopt);
  EXPECT_EQ(find_gap(record(kLogBlock - kLogHeader)), std::nullopt);
}

TEST(FindGap, WhatIsWrongInAnotherWayIsNone) {
  EXPECT_EQ(find_gap(record(5000).substr(0, 4000)), std::nullopt);
  EXPECT_EQ(find_gap(std::string("crc.\5\0\0", 7) + std::string(100, '\0')), std::nullopt);
}

TEST(FindGap, TakesAnyOctets) {
  SeededRandom random(11);
  for (int i = 0; i < 2000; ++i) {
    std::string block(random.below(kLogBlock + 1), '\0');
    random.fill(std::as_writable_bytes(std::span(block)));
    const auto gap = find_gap(block);
    EXPECT_LE(gap.value_or(0) + (gap ? kLogHeader : 0), block.size());
  }
}

class LogGaps : public ::testing::Test {
 protected:
  LogGaps() {
    std::string name = (fs::temp_directory_path() / "log_gap.XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }

  ~LogGaps() override { fs::remove_all(directory_); }

  void write(const std::string& name, const std::string& octets) const {
    std::ofstream(directory_ / name, std::ios::binary) << octets;
  }

  std::string read(const std::string& name) const {
    std::ifstream file(directory_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path directory_;
};

TEST_F(LogGaps, AreCutInLogsAlone) {
  const std::string zeros(2 * kLogBlock, '\0');
  const std::string begun = record(100);
  write("1.log", begun + zeros);
  write("2.log", begun);
  write("3.sst", begun + zeros);
  const auto gaps = find_gaps(directory_);
  ASSERT_THAT(gaps, SizeIs(1));
  EXPECT_THAT(behind(gaps), IsEmpty());
  cut(gaps.front());
  EXPECT_EQ(read("1.log"), begun);
  EXPECT_EQ(read("3.sst"), begun + zeros);
}

TEST_F(LogGaps, WhatIsBehindOneIsTold) {
  const std::string block = record(kLogBlock - kLogHeader);
  write("1.log", block + std::string(kLogBlock, '\0') + block);
  const auto gaps = find_gaps(directory_);
  ASSERT_THAT(behind(gaps), SizeIs(1));
  EXPECT_THAT(behind(gaps).front(), HasSubstr("1.log"));
  EXPECT_THAT(behind(gaps).front(), HasSubstr("octet 32768"));
  cut(gaps.front());
  EXPECT_EQ(read("1.log"), block);
}

// Octets of a value that makes the record of a batch with one key of four as large as a block.
constexpr std::size_t kFillsABlock = kLogBlock - kLogHeader - 12 - 1 - 1 - 4 - 3;

// Octets of the logs that were kept aside.
std::uint64_t kept_size(const fs::path& directory) {
  std::uint64_t size = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const bool is_kept = entry.path().string().find("/damaged-") != std::string::npos;
    if (is_kept && entry.is_regular_file()) size += entry.file_size();
  }
  return size;
}

// A write that is there, behind one that a power loss has taken.
TEST_F(LogGaps, WhatWasWrittenBehindOneDoesNotComeBack) {
  RocksOptions options;
  options.directory = directory_ / "queue";
  auto store = open_rocks_store(options);
  ASSERT_TRUE(store) << store.error().text();
  for (int i = 0; i < 4; ++i) {
    const auto batch = (*store)->new_batch();
    batch->put("key" + std::to_string(i), std::string(kFillsABlock, 'v'));
    ASSERT_TRUE((*store)->write(*batch, true));
  }
  const fs::path copy = directory_ / "copy";
  fs::copy(options.directory, copy, fs::copy_options::recursive);
  for (const auto& entry : fs::directory_iterator(copy)) {
    if (entry.path().extension() != ".log") continue;
    std::fstream log(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    for (int block = 0; block < 4; ++block) {
      log.seekg(static_cast<std::streamoff>(block * kLogBlock + kLogHeader - 1));
      ASSERT_EQ(log.get(), 1) << "a whole record begins there";
    }
    log.seekp(2 * kLogBlock);
    log << std::string(kLogBlock, '\0');
  }
  options.directory = copy;
  const auto opened = open_rocks_store(options);
  ASSERT_TRUE(opened) << opened.error().text();
  for (int i = 0; i < 4; ++i) {
    const auto value = (*opened)->get("key" + std::to_string(i));
    ASSERT_TRUE(value);
    EXPECT_EQ(value->has_value(), i < 2) << i;
  }
  EXPECT_GT(kept_size(copy), 3 * kLogBlock) << "what was cut is kept aside";
}

}  // namespace
}  // namespace postrider::queue
