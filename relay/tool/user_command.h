// `postrider user`: makes what [[user]] needs. Thread: main.
#pragma once

#include <string>

namespace postrider::tool {

// Reads a password, prints its hash and the lines for the configuration. Exit code.
int run_user_hash(const std::string& name);

}  // namespace postrider::tool
