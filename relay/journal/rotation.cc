#include "relay/journal/rotation.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string_view>
#include <unistd.h>

#include "relay/base/ascii.h"

namespace postrider::journal {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCompressedEnding = ".gz";
constexpr std::size_t kDigitsMax = 4;

std::string path_of(const std::string& file, unsigned number, bool compressed) {
  return file + '.' + std::to_string(number) + (compressed ? kCompressedEnding.data() : "");
}

// "7" and "7.gz": what stands behind "FILE.".
std::optional<Generation> parse_ending(std::string_view ending) {
  Generation generation;
  generation.compressed = ending.ends_with(kCompressedEnding);
  if (generation.compressed) ending.remove_suffix(kCompressedEnding.size());
  if (ending.size() > kDigitsMax || ending.starts_with('0')) return std::nullopt;
  const auto number = ascii::parse_u64(ending);
  if (!number) return std::nullopt;
  generation.number = static_cast<unsigned>(*number);
  return generation;
}

Result<void> move(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return failure(Error::from_errno("cannot rename " + from + " to " + to, errno));
}

}  // namespace

std::vector<Generation> list_generations(const std::string& file) {
  const fs::path path(file);
  const std::string prefix = path.filename().string() + '.';
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::vector<Generation> found;
  std::error_code error;
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
    const std::string name = i->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    auto generation = parse_ending(std::string_view(name).substr(prefix.size()));
    if (!generation) continue;
    generation->path = path_of(file, generation->number, generation->compressed);
    found.push_back(std::move(*generation));
  }
  std::sort(found.begin(), found.end(), [](const Generation& a, const Generation& b) {
    return a.number != b.number ? a.number > b.number : a.compressed < b.compressed;
  });
  return found;
}

Result<void> shift_generations(const std::string& file, unsigned keep) {
  for (const Generation& generation : list_generations(file)) {
    if (generation.number >= keep) {
      if (::unlink(generation.path.c_str()) != 0) {
        return failure(Error::from_errno("cannot remove " + generation.path, errno));
      }
      continue;
    }
    auto moved = move(generation.path, path_of(file, generation.number + 1, generation.compressed));
    if (!moved) return moved;
  }
  return move(file, path_of(file, 1, false));
}

}  // namespace postrider::journal
