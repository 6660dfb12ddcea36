#include "relay/tool/terminal.h"

#include <cerrno>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <termios.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/unit/relay/tool/tool_run.h"

namespace postrider::tool {
namespace {

TEST(Terminal, PrintsAndComplains) {
  const Said said = caught([] {
    print("a\n");
    complain("b");
    return 0;
  });
  EXPECT_EQ(said.out, "a\n");
  EXPECT_EQ(said.err, "postrider: b\n");
}

// Ends the process: 0 where the streams in `closed` were held, and then fail as closed ones do.
[[noreturn]] void hold_after_closing(const std::vector<int>& closed) {
  for (const int stream : closed) ::close(stream);
  hold_standard_streams();
  char c = 'x';
  for (const int stream : closed) {
    const bool is_open = ::fcntl(stream, F_GETFD) >= 0;
    const ssize_t done = stream == STDIN_FILENO ? ::read(stream, &c, 1) : ::write(stream, &c, 1);
    if (!is_open || done >= 0 || errno != EBADF) ::_exit(1);
  }
  ::_exit(::open("/dev/null", O_RDONLY) > STDERR_FILENO ? 0 : 2);
}

TEST(TerminalDeathTest, StandardStreamsThatAreClosedAreHeld) {
  for (const std::vector<int>& closed :
       std::vector<std::vector<int>>{{}, {0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {0, 1, 2}}) {
    EXPECT_EXIT(hold_after_closing(closed), testing::ExitedWithCode(0), "")
        << testing::PrintToString(closed);
  }
}

TEST(Terminal, ReadsALineOfAPipe) {
  const TypedInput input("secret\r\nrest\n");
  EXPECT_FALSE(can_ask());
  EXPECT_EQ(*read_secret("Password: "), "secret");
}

TEST(Terminal, ReadsALineWithoutEnd) {
  const TypedInput input("secret");
  EXPECT_EQ(*read_secret("Password: "), "secret");
}

TEST(Terminal, TellsOfNoInputAndTooMuch) {
  {
    const TypedInput input("");
    EXPECT_EQ(read_secret("").error().text(), "nothing came on standard input");
  }
  const TypedInput input(std::string(512, 'x') + "\n");
  EXPECT_EQ(read_secret("").error().text(), "longer than 511 octets");
}

TEST(Terminal, ConfirmsOnlyAYes) {
  const auto answer = [](const char* text) {
    const TypedInput input(text);
    bool yes = false;
    caught([&] {
      yes = confirm("Sure?");
      return 0;
    });
    return yes;
  };
  EXPECT_TRUE(answer("y\n"));
  EXPECT_TRUE(answer("Yes\n"));
  EXPECT_FALSE(answer("n\n"));
  EXPECT_FALSE(answer("\n"));
  EXPECT_FALSE(answer(""));
}

TEST(Terminal, ASecretIsAskedForAndNotShown) {
  const TypedTerminal terminal("");
  EXPECT_TRUE(can_ask());
  // Typed once the question is there: before, the terminal would show it.
  const Said said = caught([&] {
    // Canonical input is kept by the terminal until it is read, but switching the echo off flushes
    // it, so it is typed by a second thread that waits for the echo to be off.
    std::thread typist([&] {
      termios now{};
      do {
        std::this_thread::yield();
        ::tcgetattr(terminal.master(), &now);
      } while ((now.c_lflag & ECHO) != 0);
      terminal.type("secret\n");
    });
    const auto secret = read_secret("Password: ");
    typist.join();
    return secret && *secret == "secret" ? 0 : 1;
  });
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.err, "Password: \n");
  // Nothing of it came back from the terminal.
  pollfd poll{terminal.master(), POLLIN, 0};
  EXPECT_EQ(::poll(&poll, 1, 0), 0);
}

}  // namespace
}  // namespace postrider::tool
