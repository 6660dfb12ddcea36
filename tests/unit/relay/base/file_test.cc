#include "relay/base/file.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/temporary_folder.h"

namespace postrider {
namespace {

class FileTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::string path_ = folder_ / "file";
};

TEST_F(FileTest, IsReadWhole) {
  const std::string text("a\r\n\0b", 5);
  std::ofstream(path_) << text;
  EXPECT_EQ(read_file(path_, 100).value(), text);
  EXPECT_EQ(read_file(path_, 5).value(), text);
}

TEST_F(FileTest, OfALongOneOneMoreThanWanted) {
  std::ofstream(path_) << "abcdef";
  EXPECT_EQ(read_file(path_, 3).value(), "abcd");
}

TEST_F(FileTest, SaysWhyNot) {
  EXPECT_EQ(read_file(path_, 3).error().text(), "cannot open the file: No such file or directory");
  EXPECT_EQ(read_file(folder_.path(), 3).error().text(), "cannot read the file: Is a directory");
  // Opened as usual, this would wait for a writer for ever.
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(read_file(path_, 3).error().text(), "cannot read the file: it is a device or a pipe");
  EXPECT_EQ(read_file("/dev/zero", 3).error().text(),
            "cannot read the file: it is a device or a pipe");
}

}  // namespace
}  // namespace postrider
