// A small language for tests of the command line: a run, with its exit code and what it said.
// Thread: main.
#pragma once

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "relay/tool/tool.h"

namespace postrider::tool {

struct Said {
  int code = -1;
  std::string out;
  std::string err;
};

// Runs `action`, with standard output and error caught.
template <class Action>
Said caught(Action action) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Said said;
  said.code = action();
  said.out = testing::internal::GetCapturedStdout();
  said.err = testing::internal::GetCapturedStderr();
  return said;
}

inline int run_tool_uncaught(
    std::vector<std::string> arguments,
    const Serve& serve = [](const config::Config&) { return 0; }) {
  arguments.insert(arguments.begin(), "postrider");
  std::vector<char*> raw;
  for (std::string& argument : arguments) raw.push_back(argument.data());
  return run(static_cast<int>(raw.size()), raw.data(), serve);
}

inline Said run_tool(
    const std::vector<std::string>& arguments,
    const Serve& serve = [](const config::Config&) { return 0; }) {
  return caught([&] { return run_tool_uncaught(arguments, serve); });
}

// A directory of its own that anybody may read, so that a test run by root can become another user.
class Folder {
 public:
  Folder() {
    std::string name = "/tmp/tool_test_XXXXXX";
    path_ = ::mkdtemp(name.data());
    ::chmod(path_.c_str(), 0755);
    std::filesystem::create_directory(path_ / "data");
    ::chmod((path_ / "data").c_str(), 0777);
  }

  ~Folder() { std::filesystem::remove_all(path_); }

  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return path_ / name; }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    ::chmod(path(name).c_str(), 0644);
    return path(name);
  }

  // A good configuration without TLS, for whoever runs the test; `more` stands behind it.
  std::string write_config(const std::string& more = "") const {
    std::string text =
        "[server]\nhost_name = \"relay.example.com\"\ndata_dir = \"" + path("data") + "\"\n";
    if (::geteuid() == 0) text += "user = \"nobody\"\n";
    text +=
        "[submission]\ntrusted_networks = [\"127.0.0.0/8\"]\n"
        "[[listener]]\naddress = \"127.0.0.1:2525\"\nmode = \"trusted\"\n";
    return write("relay.toml", text + more);
  }

 private:
  std::filesystem::path path_;
};

// Standard input that holds `text`, until the end of the block.
class TypedInput {
 public:
  explicit TypedInput(const std::string& text) : before_(::dup(STDIN_FILENO)) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe(ends), 0);
    EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(ends[1]);
    ::dup2(ends[0], STDIN_FILENO);
    ::close(ends[0]);
  }

  ~TypedInput() {
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
  }

  TypedInput(const TypedInput&) = delete;
  TypedInput& operator=(const TypedInput&) = delete;

 private:
  int before_;
};

// A terminal as standard input, where `text` has been typed.
class TypedTerminal {
 public:
  explicit TypedTerminal(const std::string& text)
      : before_(::dup(STDIN_FILENO)), master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_EQ(::grantpt(master_), 0);
    EXPECT_EQ(::unlockpt(master_), 0);
    const int slave = ::open(::ptsname(master_), O_RDWR | O_NOCTTY);
    EXPECT_GE(slave, 0);
    ::dup2(slave, STDIN_FILENO);
    ::close(slave);
    type(text);
  }

  ~TypedTerminal() {
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
    ::close(master_);
  }

  TypedTerminal(const TypedTerminal&) = delete;
  TypedTerminal& operator=(const TypedTerminal&) = delete;

  void type(const std::string& text) const {
    EXPECT_EQ(::write(master_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  [[nodiscard]] int master() const { return master_; }

 private:
  int before_;
  int master_;
};

}  // namespace postrider::tool
