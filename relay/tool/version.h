// What this program is and was built from. Thread: immutable.
#pragma once

#include <string>
#include <string_view>

namespace postrider::tool {

// "0.1.0"
std::string_view version();
// The lines of `postrider version`.
std::string version_text();

}  // namespace postrider::tool
