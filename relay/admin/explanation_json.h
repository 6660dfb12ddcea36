// An explanation as JSON: the answer of GET /explain, and what the command line shows. Thread:
// pure.
#pragma once

#include <string>

#include "relay/delivery/explainer.h"

namespace postrider::admin {

std::string to_json(const delivery::Explanation& explanation);

}  // namespace postrider::admin
