#include "relay/base/file.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace postrider {

Result<std::string> read_file(const std::string& path, std::size_t max) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return failure(Error::from_errno("cannot open the file", errno));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(::fdopen(descriptor, "rb"),
                                                             std::fclose);

  struct stat facts {};

  if (file == nullptr || ::fstat(descriptor, &facts) != 0) {
    return failure(Error::from_errno("cannot read the file", errno));
  }
  if (S_ISDIR(facts.st_mode)) return failure(Error::from_errno("cannot read the file", EISDIR));
  if (!S_ISREG(facts.st_mode)) return failure("cannot read the file: it is a device or a pipe");
  std::string text(max + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) {
    return failure(Error::from_errno("cannot read the file", errno));
  }
  return text;
}

}  // namespace postrider
