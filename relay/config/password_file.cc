#include "relay/config/password_file.h"

#include <algorithm>
#include <utility>

#include "relay/base/file.h"
#include "relay/smtp/sasl.h"

namespace postrider::config {

Result<std::string> read_password(const std::string& path) {
  // With the line end.
  auto read = read_file(path, smtp::kSaslPasswordMax + 2);
  if (!read) return failure(read.error().within("the password file " + path));
  std::string text = *std::move(read);
  text.resize(std::min(text.size(), text.find('\n')));
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return failure("the password file " + path + " begins with an empty line");
  if (text.size() > smtp::kSaslPasswordMax) {
    return failure("the password in " + path + " is too long");
  }
  return text;
}

}  // namespace postrider::config
