#include "relay/journal/rotation.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <unistd.h>

namespace postrider::journal {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RotationTest : public ::testing::Test {
 protected:
  RotationTest() {
    std::string pattern = ::testing::TempDir() + "rotation.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }

  ~RotationTest() override { fs::remove_all(folder_); }

  void make(const std::string& name) { std::ofstream(folder_ / name) << name; }

  // "name=content" of every file, sorted.
  std::vector<std::string> files() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      std::ostringstream content;
      content << std::ifstream(entry.path()).rdbuf();
      out.push_back(entry.path().filename().string() + "=" + content.str());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  std::vector<std::string> listed() {
    std::vector<std::string> out;
    for (const Generation& one : list_generations(folder_ / "j")) {
      EXPECT_TRUE(fs::exists(one.path)) << one.path;
      out.push_back(std::to_string(one.number) + (one.compressed ? "gz" : ""));
    }
    return out;
  }

  fs::path folder_;
};

TEST_F(RotationTest, ListsOldFilesHighestFirst) {
  for (const char* name : {"j", "j.1", "j.10.gz", "j.2.gz", "j.3", "j.3.gz"}) make(name);
  EXPECT_THAT(listed(), ElementsAre("10gz", "3", "3gz", "2gz", "1"));
}

TEST_F(RotationTest, OtherFilesAreNoOldFiles) {
  for (const char* name : {"j", "j.", "j.gz", "j.0", "j.01", "j.1x", "j.x1", "j.20261121",
                           "j.1.bz2", "j.-1", "j.gz.tmp", "jj.1", "k.1", "j.2.gz.gz"}) {
    make(name);
  }
  EXPECT_THAT(listed(), IsEmpty());
}

TEST_F(RotationTest, AFolderThatIsNotThereHasNone) {
  EXPECT_THAT(list_generations("/nonexistent/folder/j"), IsEmpty());
}

TEST_F(RotationTest, ShiftsEachByOne) {
  for (const char* name : {"j", "j.1", "j.2.gz"}) make(name);
  EXPECT_TRUE(shift_generations(folder_ / "j", 10));
  EXPECT_THAT(files(), ElementsAre("j.1=j", "j.2=j.1", "j.3.gz=j.2.gz"));
}

TEST_F(RotationTest, RemovesWhatIsBeyondTheNumberKept) {
  for (const char* name : {"j", "j.1", "j.2.gz", "j.3.gz", "j.4.gz", "j.17.gz"}) make(name);
  EXPECT_TRUE(shift_generations(folder_ / "j", 3));
  EXPECT_THAT(files(), ElementsAre("j.1=j", "j.2=j.1", "j.3.gz=j.2.gz"));
}

TEST_F(RotationTest, KeepsOneIfToldSo) {
  for (const char* name : {"j", "j.1"}) make(name);
  EXPECT_TRUE(shift_generations(folder_ / "j", 1));
  EXPECT_THAT(files(), ElementsAre("j.1=j"));
}

TEST_F(RotationTest, SaysWhatCannotBeRenamed) {
  const auto result = shift_generations(folder_ / "j", 3);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().system_code(), ENOENT);
}

}  // namespace
}  // namespace postrider::journal
