#include "relay/daemon/kept_secret.h"

#include <cerrno>
#include <fcntl.h>
#include <span>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/base/file.h"
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
  auto secret = read_file(file, kSecretSize);
  if (!secret && secret.error().system_code() == ENOENT) return make(file);
  if (!secret) return failure(secret.error().within(file));
  if (secret->size() != kSecretSize) {
    return failure(file + " is not a secret of " + std::to_string(kSecretSize) +
                   " octets; without it a new one is made");
  }
  return secret;
}

}  // namespace postrider::daemon
