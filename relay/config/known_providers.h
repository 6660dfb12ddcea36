// The providers that come with postrider: deploy/providers.toml, built in. Private to config.
// Thread: immutable.
#pragma once

#include <string_view>

namespace postrider::config {

std::string_view known_providers();

}  // namespace postrider::config
