// Plays every transcript in a folder against the engines in memory: whole, byte by byte, and in
// random pieces with answers that come at once or late.
//
//   dialog_player FOLDER [SEED]
#include "tests/dialogs/player.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "relay/base/ascii.h"

namespace postrider::dialogs {

std::vector<std::string_view> Pace::pieces(std::string_view bytes) {
  std::vector<std::string_view> out;
  while (!bytes.empty()) {
    std::size_t length = bytes.size();
    if (split == Split::kBytes) length = 1;
    if (split == Split::kRandom) {
      // Mostly short ones, so that every place is a border now and then.
      const std::size_t bound =
          random() % 4 == 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), 12);
      length = 1 + random() % bound;
    }
    out.push_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return out;
}

bool Heard::add(std::string_view bytes) {
  partial_ += bytes;
  std::optional<std::vector<std::string>> lines = take_lines(partial_);
  if (!lines) return false;
  lines_.insert(lines_.end(), lines->begin(), lines->end());
  return true;
}

Failure Heard::expect(std::string_view pattern) {
  if (lines_.empty()) return "expected '" + std::string(pattern) + "', nothing came";
  const bool whole_reply = pattern.size() == 3 && ascii::parse_u64(pattern);
  if (!whole_reply) {
    const std::string line = lines_.front();
    lines_.pop_front();
    if (glob_match(pattern, line)) return std::nullopt;
    return "expected '" + std::string(pattern) + "', came '" + ascii::printable(line) + "'";
  }
  for (bool more = true; more && !lines_.empty(); lines_.pop_front()) {
    const std::string& line = lines_.front();
    if (line.substr(0, 3) != pattern) {
      return "expected a reply " + std::string(pattern) + ", came '" + ascii::printable(line) + "'";
    }
    more = line.substr(3, 1) == "-";
  }
  return std::nullopt;
}

Failure Heard::expect_silence() {
  if (!lines_.empty()) return "unexpected: '" + ascii::printable(lines_.front()) + "'";
  if (!partial_.empty()) return "unexpected: '" + ascii::printable(partial_) + "' without CRLF";
  return std::nullopt;
}

Duration parse_wait(std::string_view text) {
  const auto count =
      static_cast<std::int64_t>(ascii::parse_u64(text.substr(0, text.size() - 1)).value_or(0));
  switch (text.back()) {
    case 'h':
      return std::chrono::hours(count);
    case 'm':
      return std::chrono::minutes(count);
    default:
      return Seconds(count);
  }
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string_view word : ascii::split(text, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

namespace {

constexpr int kRandomPlays = 24;

Failure play(const Exchange& exchange, const Pace& pace) {
  return exchange.setting("role", "server") == "client" ? play_client(exchange, pace)
                                                        : play_server(exchange, pace);
}

// Returns how many plays failed.
int play_all_ways(const Exchange& exchange, std::uint64_t seed) {
  for (int turn = 0; turn < kRandomPlays + 2; ++turn) {
    Pace pace;
    pace.split = turn == 0 ? Split::kWhole : turn == 1 ? Split::kBytes : Split::kRandom;
    pace.late_answers = turn % 2 == 1;
    pace.random.seed(seed + static_cast<std::uint64_t>(turn));
    if (const Failure failed = play(exchange, pace)) {
      std::printf("FAILED %s: %s\n  %s\n  way %d, seed %llu\n", exchange.file.c_str(),
                  exchange.title.c_str(), failed->c_str(), turn,
                  static_cast<unsigned long long>(seed));
      return 1;
    }
  }
  return 0;
}

int play_folder(const std::string& folder, std::uint64_t seed) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".smtp") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  int dialogs = 0;
  int failures = 0;
  for (const std::string& path : paths) {
    const Result<std::vector<Exchange>> exchanges = read_transcript(path);
    if (!exchanges) {
      std::printf("FAILED %s\n", exchanges.error().text().c_str());
      ++failures;
      continue;
    }
    for (const Exchange& exchange : *exchanges) failures += play_all_ways(exchange, seed);
    dialogs += static_cast<int>(exchanges->size());
  }
  std::printf("%d dialogs in %zu files, %d ways each, %d failed, seed %llu\n", dialogs,
              paths.size(), kRandomPlays + 2, failures, static_cast<unsigned long long>(seed));
  return failures == 0 && dialogs > 0 ? 0 : 1;
}

}  // namespace

}  // namespace postrider::dialogs

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: dialog_player FOLDER [SEED]\n");
    return 2;
  }
  const std::uint64_t seed =
      argc > 2 ? postrider::ascii::parse_u64(argv[2]).value_or(0) : std::random_device{}();
  return postrider::dialogs::play_folder(argv[1], seed);
}
