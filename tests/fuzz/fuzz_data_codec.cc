// The data codec against a naive twin that looks at one byte after another, and there and back.
#include <string>

#include "relay/smtp/data_codec.h"
#include "tests/fuzz/bytes.h"

namespace postrider::fuzz {
namespace {

struct Decoded {
  std::string text;
  std::string rest;  // what was not taken
  bool ended = false;
  bool defect = false;

  bool operator==(const Decoded&) const = default;
};

constexpr std::size_t kLineMax = 40;

// The rules as one would tell them.
Decoded decode_naively(std::string_view input) {
  Decoded out;
  std::string line;
  bool over_line = false;
  for (std::size_t at = 0; at < input.size(); ++at) {
    line += input[at];
    const bool line_ends = line.size() >= 2 && line.substr(line.size() - 2) == "\r\n";
    if (!line_ends) continue;
    if (line == ".\r\n") {
      out.ended = true;
      out.rest = input.substr(at + 1);
      line.clear();
      break;
    }
    const std::string text = line.front() == '.' ? line.substr(1) : line;
    if (text.size() > kLineMax) over_line = true;
    out.text += text;
    line.clear();
  }
  if (!line.empty() && line.front() == '.') line.erase(0, 1);
  if (line.size() > kLineMax) over_line = true;
  const std::string all = out.text + line;
  out.defect = over_line;
  for (std::size_t at = 0; at < all.size(); ++at) {
    const bool before = at > 0 && all[at - 1] == '\r';
    if (all[at] == '\0' || (all[at] == '\n' && !before)) out.defect = true;
    if (all[at] == '\r' && at + 1 < all.size() && all[at + 1] != '\n') out.defect = true;
  }
  if (!out.ended) out.text = all;
  return out;
}

Decoded decode(std::string_view input, std::size_t piece) {
  smtp::DataDecoder decoder(kLineMax);
  Decoded out;
  while (!input.empty() && !decoder.ended()) {
    std::string_view part = input.substr(0, piece);
    input.remove_prefix(part.size());
    while (!part.empty() && !decoder.ended()) out.text += decoder.take(part);
    if (decoder.ended()) out.rest = std::string(part) + std::string(input);
  }
  out.ended = decoder.ended();
  out.defect = decoder.defects() != 0;
  return out;
}

void check_decoding(std::string_view input, std::size_t piece) {
  const Decoded naive = decode_naively(input);
  Decoded whole = decode(input, input.size() + 1);
  Decoded split = decode(input, piece);
  require(whole.ended == naive.ended && whole.defect == naive.defect && whole.rest == naive.rest);
  require(split.ended == naive.ended && split.defect == naive.defect && split.rest == naive.rest);
  // Bad text is thrown away, and a text without an end may stop within a dot and its CR.
  if (naive.defect || !naive.ended) return;
  require(whole.text == naive.text && split.text == naive.text);
}

void check_round_trip(std::string_view input, std::size_t piece) {
  message::Body body;
  std::string text(input);
  for (std::size_t at = 0; at < text.size(); at += piece) {
    body.append(Chunk(text.substr(at, piece)));
  }
  const auto chunks = smtp::encode_data(body);
  smtp::TextCheck check(text.size() + 1);
  check.feed(text);
  check.finish();
  const bool clean = (check.defects() & (smtp::kDefectBareCr | smtp::kDefectBareLf)) == 0;
  require(chunks.has_value() == clean);
  if (!chunks) return;
  std::string wire;
  for (const Chunk& chunk : *chunks) wire += chunk.view();
  smtp::DataDecoder decoder(wire.size());
  std::string_view rest = wire;
  std::string back;
  while (!rest.empty() && !decoder.ended()) back += decoder.take(rest);
  require(decoder.ended() && rest.empty());
  if (!check.at_line_start()) text += "\r\n";
  require(back == text);
}

}  // namespace
}  // namespace postrider::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postrider::fuzz::Bytes bytes(data, size);
  const std::size_t piece = 1U + bytes.byte() % 16U;
  const std::string_view input = bytes.rest();
  postrider::fuzz::check_decoding(input, piece);
  postrider::fuzz::check_round_trip(input, piece);
  return 0;
}
