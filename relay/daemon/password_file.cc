#include "relay/daemon/password_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "relay/smtp/sasl.h"

namespace postrider::daemon {

Result<std::string> read_password(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             std::fclose);
  if (!file) return failure(Error::from_errno("cannot open the password file " + path, errno));
  // One octet more than is allowed, and the line end.
  std::string text(smtp::kSaslPasswordMax + 3, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) {
    return failure(Error::from_errno("cannot read the password file " + path, errno));
  }
  text.resize(std::min(text.size(), text.find('\n')));
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return failure("the password file " + path + " begins with an empty line");
  if (text.size() > smtp::kSaslPasswordMax) {
    return failure("the password in " + path + " is too long");
  }
  return text;
}

}  // namespace postrider::daemon
