#include "relay/tool/terminal.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <optional>
#include <termios.h>
#include <unistd.h>

namespace postrider::tool {

namespace {

// crypt(3) takes 512 octets.
constexpr std::size_t kSecretMax = 511;

// Keeps what is typed from being shown, until the end of the block.
class EchoOff {
 public:
  EchoOff() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &now) == 0;
  }

  ~EchoOff() {
    if (!changed_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    // The newline that was typed was not shown either.
    std::fputc('\n', stderr);
  }

  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

Result<std::string> read_line() {
  std::string line;
  for (;;) {
    char c = 0;
    const ssize_t got = ::read(STDIN_FILENO, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure(Error::from_errno("cannot read standard input", errno));
    if (got == 0 && line.empty()) return failure("nothing came on standard input");
    if (got == 0 || c == '\n') break;
    if (line.size() == kSecretMax) return failure("longer than 511 octets");
    line += c;
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

void complain_of_output() {
  complain(Error::from_errno("cannot write to standard output", errno).text());
}

}  // namespace

// open(2) gives the lowest number that is free. Each is opened the wrong way round, so that its use
// fails with EBADF, as before.
void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    [[maybe_unused]] const int held =
        ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

void print(std::string_view text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0) complain_of_output();
}

bool finish_printing() {
  errno = 0;
  if (std::fflush(stdout) != 0) complain_of_output();
  return std::ferror(stdout) == 0;
}

void complain(std::string_view text) {
  const std::string line = "postrider: " + std::string(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

bool can_ask() {
  return ::isatty(STDIN_FILENO) == 1;
}

bool confirm(std::string_view question) {
  const std::string line = std::string(question) + " [y/N] ";
  std::fwrite(line.data(), 1, line.size(), stderr);
  const auto answer = read_line();
  return answer && (answer->starts_with('y') || answer->starts_with('Y'));
}

Result<std::string> read_secret(std::string_view prompt) {
  if (!can_ask()) return read_line();
  std::fwrite(prompt.data(), 1, prompt.size(), stderr);
  const EchoOff quiet;
  return read_line();
}

}  // namespace postrider::tool
