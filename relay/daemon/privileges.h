// Privileges: from root to an ordinary user, for good. Thread: main, before any other thread is
// started.
#pragma once

#include <string>

#include "relay/base/result.h"

namespace postrider::daemon {

[[nodiscard]] bool running_as_root();

// Becomes `user` with its groups, keeps CAP_NET_BIND_SERVICE and nothing else, and can never gain
// privileges again (no_new_privs). After an error the process must end: it may hold half of its old
// rights.
Result<void> become_user(const std::string& user);

// Creates `directory` (mode 0700) where it is missing and gives it to `user` (""; keeps the owner).
// An existing directory is left as it is.
Result<void> prepare_directory(const std::string& directory, const std::string& user);

// The soft limit of open descriptors up to the hard one; returns what it is now.
std::size_t raise_descriptor_limit();

}  // namespace postrider::daemon
