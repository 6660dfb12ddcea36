// Reference: the pages made from the option table. Both stand generated in deploy/; a unit test
// tells when they are stale. Thread: pure functions.
#pragma once

#include <string>

#include "relay/config/config.h"

namespace postrider::config {

// A commented file to start from: a small production configuration, and every other option
// commented out with its default.
std::string sample_toml();

// The reference page.
std::string options_markdown();

// The configuration as a file with every option, each with the line that set it, or "default".
// Secrets are hidden.
std::string dump_toml(const LoadResult& loaded);

}  // namespace postrider::config
