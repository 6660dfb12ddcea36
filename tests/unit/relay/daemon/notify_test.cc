#include "relay/daemon/notify.h"

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "relay/event/tcp.h"

namespace postrider::daemon {
namespace {

// A service manager that listens at `path`; "@..." is a name without a file.
class NotifyTest : public ::testing::Test {
 protected:
  ~NotifyTest() override {
    ::unsetenv("NOTIFY_SOCKET");
    std::filesystem::remove(file_);
  }

  void listen_at(const std::string& path) {
    manager_ = event::Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (path[0] == '@') {
      address.sun_path[0] = '\0';
    } else {
      file_ = path;
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    ASSERT_EQ(::bind(manager_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }

  // What came; a datagram on a local socket is there when its sending has returned.
  std::string heard() {
    char buffer[100];
    const ssize_t count = ::recv(manager_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    return count < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(count));
  }

  static std::string unique_name() { return "postrider-notify-" + std::to_string(::getpid()); }

  event::Descriptor manager_;
  std::string file_;
};

TEST_F(NotifyTest, TellsAManagerBehindAFile) {
  listen_at((std::filesystem::temp_directory_path() / unique_name()).string());
  notify_manager("READY=1");
  EXPECT_EQ(heard(), "READY=1");
  EXPECT_EQ(heard(), "nothing");
}

TEST_F(NotifyTest, TellsAManagerBehindAnAbstractName) {
  listen_at("@" + unique_name());
  notify_manager("STOPPING=1");
  EXPECT_EQ(heard(), "STOPPING=1");
}

TEST_F(NotifyTest, DoesNothingWithoutAManager) {
  listen_at("@" + unique_name());
  ::unsetenv("NOTIFY_SOCKET");
  notify_manager("READY=1");
  ::setenv("NOTIFY_SOCKET", "", 1);
  notify_manager("READY=1");
  EXPECT_EQ(heard(), "nothing");
}

TEST_F(NotifyTest, PassesOverANameThatCannotBe) {
  listen_at("@" + unique_name());
  ::setenv("NOTIFY_SOCKET", ("@" + std::string(200, 'x')).c_str(), 1);
  notify_manager("READY=1");
  EXPECT_EQ(heard(), "nothing");
}

TEST_F(NotifyTest, AManagerThatHasGoneIsNoError) {
  listen_at("@" + unique_name());
  manager_ = {};
  notify_manager("READY=1");
  EXPECT_STREQ(std::getenv("NOTIFY_SOCKET"), ("@" + unique_name()).c_str());
}

}  // namespace
}  // namespace postrider::daemon
