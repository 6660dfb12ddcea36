// Asked wait: when to come again, where a reply says it in words: "try again in 5 minutes",
// "Greylisted for 300 seconds". Pure.
#pragma once

#include <optional>
#include <string_view>

#include "relay/base/clock.h"

namespace postrider::policy {

// A number and a unit of time behind "in", "after", "for" or "within"; nullopt: the text names no
// time, or none up to a day.
std::optional<Seconds> asked_wait(std::string_view text);

}  // namespace postrider::policy
