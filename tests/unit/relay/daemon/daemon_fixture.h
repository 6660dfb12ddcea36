// What the tests of relay/daemon share: temporary directories, waiting, and blocking clients.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <thread>

#include "relay/base/clock.h"
#include "relay/event/tcp.h"

namespace postrider::daemon {

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "postrider-daemon-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    // The user that the relay becomes goes through it.
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }

  ~TempDirectory() { std::filesystem::remove_all(path_); }

  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

  [[nodiscard]] std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::string path_;
};

inline constexpr Seconds kPatience{60};

template <class Condition>
bool wait_until(Condition condition) {
  const TimePoint bound = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > bound) return false;
    std::this_thread::yield();
  }
  return true;
}

// A client of a relay that runs on another thread or in another process.
class BlockingClient {
 public:
  explicit BlockingClient(event::Descriptor socket) : socket_(std::move(socket)) {
    const timeval patience{kPatience.count(), 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }

  // The last line of the next reply; "" at the end of the connection.
  std::string reply() {
    for (;;) {
      const std::size_t end = text_.find("\r\n");
      if (end == std::string::npos) {
        char buffer[4096];
        const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
        if (count <= 0) return "";
        text_.append(buffer, static_cast<std::size_t>(count));
        continue;
      }
      const std::string line = text_.substr(0, end);
      text_.erase(0, end + 2);
      if (line.size() < 4 || line[3] != '-') return line;
    }
  }

  std::string say(const std::string& command) {
    const std::string line = command + "\r\n";
    (void)::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL);
    return reply();
  }

 private:
  event::Descriptor socket_;
  std::string text_;
};

}  // namespace postrider::daemon
