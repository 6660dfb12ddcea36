#include "relay/daemon/kept_secret.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <span>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/base/random.h"
#include "relay/event/tcp.h"

namespace postrider::daemon {

namespace {

Result<std::string> make(const std::string& file) {
  std::string secret(kSecretSize, '\0');
  SystemRandom().fill(std::as_writable_bytes(std::span(secret)));
  const std::string fresh = file + ".new";
  const event::Descriptor made(
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  const bool written =
      made.valid() &&
      ::write(made.get(), secret.data(), secret.size()) == static_cast<ssize_t>(secret.size()) &&
      ::fsync(made.get()) == 0 && ::rename(fresh.c_str(), file.c_str()) == 0;
  if (!written) return failure(Error::from_errno("making " + file, errno));
  return secret;
}

}  // namespace

Result<std::string> kept_secret(const std::string& file) {
  const event::Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened.valid() && errno == ENOENT) return make(file);
  std::array<char, kSecretSize + 1> octets{};
  const ssize_t size = opened.valid() ? ::read(opened.get(), octets.data(), octets.size()) : -1;
  if (size < 0) return failure(Error::from_errno("reading " + file, errno));
  if (size != static_cast<ssize_t>(kSecretSize)) {
    return failure(file + " is not a secret of " + std::to_string(kSecretSize) +
                   " octets; without it a new one is made");
  }
  return std::string(octets.data(), kSecretSize);
}

}  // namespace postrider::daemon
