// What stands behind relay/event in the simulation: Loop, Timer and Stream of its headers, made
// anew over Timeline and Network. The linker takes these instead of the ones over libuv, so that
// all above them is what ships. Thread: one; every Loop is turned by the timeline.
#pragma once

#include <memory>

#include "relay/event/loop.h"

// relay/event/loop.h knows the insides of a loop by libuv's name alone. In this program there is no
// libuv, and these are the insides.
struct uv_loop_s {
  // Events under way ask it whether the loop is still there.
  struct Life {
    bool ended = false;    // the Loop is destroyed
    bool stopped = false;  // stop() was called, or the process was killed: nothing runs any more
  };

  std::shared_ptr<Life> life = std::make_shared<Life>();
};

struct uv_async_s {};

namespace postrider::sim {

// As a kill does it: from now on nothing runs on the loop.
inline void freeze(event::Loop& loop) {
  loop.raw()->life->stopped = true;
}

}  // namespace postrider::sim
