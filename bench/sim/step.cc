#include "bench/sim/step.h"

#include <algorithm>
#include <utility>

#include "relay/base/ascii.h"

namespace postrider::bench {

namespace {

constexpr std::array<std::pair<std::string_view, Step::Act>, 9> kActs = {{
    {"hang", Step::Act::kHang},
    {"close", Step::Act::kClose},
    {"reset", Step::Act::kReset},
    {"closeafter", Step::Act::kCloseAfter},
    {"losereply", Step::Act::kLoseReply},
    {"garbage", Step::Act::kGarbage},
    {"drip", Step::Act::kDrip},
    {"endless", Step::Act::kEndless},
    {"longline", Step::Act::kLongLine},
}};

}  // namespace

std::string plain_reply(int code) {
  const std::string digits = std::to_string(code);
  if (code == 354) return "354 go ahead";
  if (code >= 500) return digits + " 5.0.0 refused for good by the simulation";
  if (code >= 400) return digits + " 4.0.0 refused for now by the simulation";
  return digits + " 2.0.0 ok";
}

Result<Step> Step::parse(std::string_view text) {
  for (const auto& [name, act] : kActs) {
    if (text == name) return Step{act, 0, ""};
  }
  const auto code = ascii::parse_u64(text.substr(0, 3));
  const bool ends = text.size() == 3 || (text.size() > 4 && text[3] == '_');
  if (!code || text.size() < 3 || !ends || *code < 200 || *code > 599) {
    return failure(
        "'" + ascii::printable(text) +
        "' is neither a reply code with an optional _text nor one of hang, close, reset, "
        "closeafter, losereply, garbage, drip, endless, longline");
  }
  Step step{Act::kReply, static_cast<int>(*code), std::string(text)};
  std::replace(step.reply.begin(), step.reply.end(), '_', ' ');
  if (text.size() == 3) step.reply = plain_reply(step.code);
  return step;
}

}  // namespace postrider::bench
