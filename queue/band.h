// Band: how urgent a delivery is. Mail of a higher band is leased first; see DueIndex for how long
// it may keep a lower one waiting. Part of the schema: its number is in keys.
#pragma once

#include <cstdint>

#include "relay/message/priority.h"

namespace postrider::queue {

using message::Band;

inline constexpr std::uint8_t kBands = 3;

}  // namespace postrider::queue
