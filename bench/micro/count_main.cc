// hot_path: does one hot path a number of times, for callgrind, which counts instructions within
// repeat_hot_path alone (bench/instructions).
//   hot_path            names the paths
//   hot_path NAME N
// Exit codes: 0 done, 2 wrong usage.
#include <charconv>
#include <iostream>
#include <span>
#include <string_view>

#include "bench/micro/hot_paths.h"

// A name that callgrind can be told: no inlining, no mangling.
extern "C" [[gnu::noinline]] void repeat_hot_path(const postrider::bench::HotPath& path,
                                                  unsigned times) {
  for (unsigned i = 0; i < times; ++i) path();
}

int main(int argc, char** argv) {
  const std::span<char*> words(argv, static_cast<std::size_t>(argc));
  const std::string_view name = words.size() == 3 ? words[1] : "";
  const std::string_view number = words.size() == 3 ? words[2] : "";
  unsigned times = 0;
  std::from_chars(number.data(), number.data() + number.size(), times);
  for (const auto& entry : postrider::bench::hot_paths()) {
    if (words.size() == 1) std::cout << entry.name << "\n";
    if (entry.name != name || times == 0) continue;
    const auto path = entry.make();
    path();  // what happens only once is not counted
    repeat_hot_path(path, times);
    return 0;
  }
  return words.size() == 1 ? 0 : 2;
}
