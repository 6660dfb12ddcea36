#include "queue/log_gap.h"

#include <filesystem>
#include <fstream>

namespace postrider::queue {

namespace {

namespace fs = std::filesystem;

std::size_t octet(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// The next block of a log; "" at its end, and where it cannot be read.
std::string next_block(std::ifstream& log) {
  std::string block(kLogBlock, '\0');
  log.read(block.data(), static_cast<std::streamsize>(block.size()));
  block.resize(static_cast<std::size_t>(log.gcount()));
  return block;
}

bool is_zero(std::string_view octets) {
  return octets.find_first_not_of('\0') == std::string_view::npos;
}

std::optional<LogGap> gap_of(const fs::path& path) {
  std::ifstream log(path, std::ios::binary);
  std::optional<LogGap> gap;
  std::uint64_t at = 0;
  for (std::string block = next_block(log); !block.empty(); block = next_block(log)) {
    std::size_t begin = 0;
    if (!gap) {
      const auto found = find_gap(block);
      if (found) gap = LogGap{path, at + *found, false};
      begin = found.value_or(0);
    }
    if (gap && !is_zero(std::string_view(block).substr(begin))) {
      gap->followed = true;
      break;
    }
    at += block.size();
  }
  return gap;
}

}  // namespace

std::optional<std::size_t> find_gap(std::string_view block) {
  constexpr std::size_t kLengthAt = 4;  // two octets, the lower one first
  constexpr std::size_t kTypeAt = 6;
  for (std::size_t at = 0; at + kLogHeader <= block.size();) {
    const std::string_view header = block.substr(at, kLogHeader);
    const std::size_t length = octet(header, kLengthAt) | octet(header, kLengthAt + 1) << 8U;
    if (octet(header, kTypeAt) == 0) {
      return length == 0 ? std::optional(at) : std::nullopt;
    }
    at += kLogHeader + length;
  }
  return std::nullopt;
}

std::vector<LogGap> find_gaps(const std::string& directory) {
  std::vector<LogGap> gaps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().extension() != ".log") continue;
    if (auto gap = gap_of(entry.path())) gaps.push_back(*std::move(gap));
  }
  return gaps;
}

std::vector<std::string> behind(const std::vector<LogGap>& gaps) {
  std::vector<std::string> lost;
  for (const LogGap& gap : gaps) {
    if (!gap.followed) continue;
    lost.push_back(gap.file + ": what stands behind a write that is missing at octet " +
                   std::to_string(gap.at));
  }
  return lost;
}

void cut(const LogGap& gap) {
  std::error_code error;
  fs::resize_file(gap.file, gap.at, error);
}

}  // namespace postrider::queue
