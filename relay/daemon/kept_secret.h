// A secret that outlives a restart: random octets in a file that only the relay can read.
#pragma once

#include <cstddef>
#include <string>

#include "relay/base/result.h"

namespace postrider::daemon {

inline constexpr std::size_t kSecretSize = 32;  // octets

// What stands in `file`; where there is none yet, it is made first (mode 0600, whole or not at
// all). An error, which names the file, where it cannot be read or made, or has another size.
Result<std::string> kept_secret(const std::string& file);

}  // namespace postrider::daemon
