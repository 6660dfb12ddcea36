// Password file: the secret of a login, kept outside of the configuration. Thread: any.
#pragma once

#include <string>

#include "relay/base/result.h"

namespace postrider::config {

// The file's first line, without its line end. Error: it cannot be read, or that line is empty or
// longer than smtp::kSaslPasswordMax; it names the file and never what is in it.
Result<std::string> read_password(const std::string& path);

}  // namespace postrider::config
