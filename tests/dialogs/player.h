// Plays transcripts against the engines in memory.
#pragma once

#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/clock.h"
#include "tests/dialogs/transcript.h"

namespace postrider::dialogs {

enum class Split { kWhole, kBytes, kRandom };

// How the bytes and answers of a play come.
struct Pace {
  Split split = Split::kWhole;
  bool late_answers = false;  // answer only when the session has nothing else to do
  std::mt19937_64 random;

  // The pieces that `bytes` come in.
  std::vector<std::string_view> pieces(std::string_view bytes);
};

// "12:34" style failures: what was expected at which line of the transcript, and what came.
using Failure = std::optional<std::string>;

Failure play_server(const Exchange& exchange, Pace pace);
Failure play_client(const Exchange& exchange, Pace pace);

// Lines that came from the engine and were not yet expected.
class Heard {
 public:
  // False: a bare CR or LF was among the bytes.
  bool add(std::string_view bytes);

  // Takes the next line, or the next whole reply if `pattern` is a bare code ("250").
  Failure expect(std::string_view pattern);
  // Nothing is left.
  Failure expect_silence();

 private:
  std::string partial_;
  std::deque<std::string> lines_;
};

// "5m", "30s", "2h".
Duration parse_wait(std::string_view text);

// The words of a line.
std::vector<std::string> words_of(std::string_view text);

}  // namespace postrider::dialogs
