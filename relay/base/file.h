// Small files that are read whole: configuration, users, passwords, keys.
#pragma once

#include <cstddef>
#include <string>

#include "relay/base/result.h"

namespace postrider {

// What stands in the file; of a longer one `max` octets and one more, so that the caller can tell.
// Errors do not name the file: "cannot open the file: ...", "cannot read the file: ...". What is no
// ordinary file (a device, a pipe nobody writes to) is an error: it could hang the reader for ever.
Result<std::string> read_file(const std::string& path, std::size_t max);

}  // namespace postrider
