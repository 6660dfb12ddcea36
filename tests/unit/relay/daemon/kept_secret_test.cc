#include "relay/daemon/kept_secret.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/unit/temporary_folder.h"

namespace postrider::daemon {
namespace {

using ::testing::HasSubstr;

class KeptSecretTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::string file_ = folder_ / "secret";
};

TEST_F(KeptSecretTest, IsTheSameEachTimeAndOfNobodyElse) {
  const auto made = kept_secret(file_);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->size(), kSecretSize);
  EXPECT_EQ(*kept_secret(file_), *made);

  struct stat facts {};

  ASSERT_EQ(::stat(file_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
  EXPECT_NE(*kept_secret(folder_ / "other"), *made);
}

TEST_F(KeptSecretTest, AFileOfAnotherSizeIsNone) {
  for (const std::size_t size : {0, 31, 33}) {
    std::ofstream(file_) << std::string(size, 'x');
    const auto read = kept_secret(file_);
    ASSERT_FALSE(read) << size;
    EXPECT_THAT(read.error().text(), HasSubstr(file_ + " is not a secret of 32 octets"));
  }
}

TEST_F(KeptSecretTest, SaysWhyItCannotBe) {
  const auto nowhere = kept_secret(folder_ / "missing/secret");
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().text(), HasSubstr("/missing/secret: No such file or directory"));
  std::filesystem::create_directory(file_);
  const auto folder = kept_secret(file_);
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().text(), HasSubstr(file_ + ": cannot read the file: Is a directory"));
}

}  // namespace
}  // namespace postrider::daemon
