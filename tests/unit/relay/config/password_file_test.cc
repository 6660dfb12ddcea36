#include "relay/config/password_file.h"

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <unistd.h>

namespace postrider::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PasswordFileTest : public ::testing::Test {
 protected:
  PasswordFileTest() { EXPECT_GE(file_ = ::mkstemp(path_.data()), 0); }

  ~PasswordFileTest() override {
    ::close(file_);
    ::unlink(path_.c_str());
  }

  Result<std::string> read(const std::string& content) {
    std::ofstream(path_, std::ios::binary) << content;
    return read_password(path_);
  }

  std::string path_ = "/tmp/postrider-password-XXXXXX";
  int file_ = -1;
};

TEST_F(PasswordFileTest, IsTheFirstLine) {
  EXPECT_EQ(read("secret"), "secret");
  EXPECT_EQ(read(" a secret \r\nmore\n"), " a secret ");
}

TEST_F(PasswordFileTest, ErrorsNameTheFileAndNotTheSecret) {
  EXPECT_THAT(read("\nsecret\n").error().text(), HasSubstr(path_));
  const std::string text = read(std::string(5000, 's')).error().text();
  EXPECT_THAT(text, HasSubstr("too long"));
  EXPECT_THAT(text, Not(HasSubstr("sss")));
  EXPECT_THAT(read_password("/nowhere/x").error().text(), HasSubstr("/nowhere/x"));
}

}  // namespace
}  // namespace postrider::config
