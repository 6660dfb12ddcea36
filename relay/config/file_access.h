// File access: whether the user that the relay becomes can use the files its configuration names.
//
// Started as root, a child process becomes that user and tries, so that groups, modes of parent
// directories and access lists all count. Thread: main, before any other thread is started.
#pragma once

#include <vector>

#include "relay/config/config.h"

namespace postrider::config {

// Certificates, keys and the CA file must be readable, the journal's directory writable, the data
// directory writable or possible to make (root makes it). Started as root without server.user, or
// with one that does not exist or is root: that is the one problem. Nothing is created or changed.
std::vector<Problem> check_file_access(const Config& config);

}  // namespace postrider::config
