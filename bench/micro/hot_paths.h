// HotPaths: what the relay does for every message, each on a fixed input: one definition for the
// clock (micro_main.cc) and for counting instructions (count_main.cc). Thread: one owner.
#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace postrider::bench {

// Does the work once. A result that is wrong ends the process: nothing may be left out.
using HotPath = std::function<void()>;

struct HotPathEntry {
  std::string_view name;
  HotPath (*make)();  // what is made here is not part of the work
};

std::span<const HotPathEntry> hot_paths();

}  // namespace postrider::bench
