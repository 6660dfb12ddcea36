// Checks of what is said about providers: rules for replies that decide nothing, samples that are
// judged otherwise than they say. Private to config. Thread: pure.
#pragma once

#include "relay/config/config.h"
#include "relay/config/problems.h"

namespace postrider::config {

// Every value is good by itself.
void check_providers(const delivery::Options& delivery, const Lines& lines, ProblemList& problems);

}  // namespace postrider::config
