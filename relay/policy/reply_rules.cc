#include "relay/policy/reply_rules.h"

#include <algorithm>
#include <array>

#include "relay/base/ascii.h"

namespace postrider::policy {

namespace {

using message::Stage;
using message::Status;

constexpr std::array<std::string_view, 5> kNames = {"retry", "bounce", "slow", "next_host", "rest"};
constexpr std::size_t kCodeSize = 3;

bool has_code(std::string_view wanted, int code) {
  if (wanted.ends_with("xx")) return code / 100 == wanted.front() - '0';
  return ascii::parse_u64(wanted) == static_cast<std::uint64_t>(code);
}

std::optional<Then> then_named(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Then>(found - kNames.begin());
}

std::optional<Stage> stage_named(std::string_view name) {
  for (auto stage = Stage::kGreeting;; stage = static_cast<Stage>(static_cast<int>(stage) + 1)) {
    if (message::name_of(stage) == name) return stage;
    if (stage == Stage::kEndOfData) return std::nullopt;
  }
}

std::optional<Status> parse_status(std::string_view text) {
  const auto code = ascii::parse_u64(text.substr(0, kCodeSize));
  if (!code || *code < 400 || *code > 599 || text.size() <= kCodeSize || text[kCodeSize] != ' ') {
    return std::nullopt;
  }
  Status status;
  status.code = static_cast<int>(*code);
  text.remove_prefix(kCodeSize + 1);
  const std::string_view word = text.substr(0, text.find(' '));
  if (const auto enhanced = message::EnhancedCode::parse(word)) {
    status.enhanced = *enhanced;
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  status.text = text;
  return status;
}

}  // namespace

std::string_view name_of(Then then) {
  return kNames[static_cast<std::size_t>(then)];
}

Judgement judgement_of(Then then) {
  switch (then) {
    case Then::kRetry:
      return {Action::kRetryLater, SiteEffect::kNone};
    case Then::kBounce:
      return {Action::kBounce, SiteEffect::kNone};
    case Then::kSlow:
      return {Action::kRetryLater, SiteEffect::kSlowDown};
    case Then::kNextHost:
      return {Action::kRetryLater, SiteEffect::kNextHost};
    case Then::kRest:
      break;
  }
  return {Action::kRetryLater, SiteEffect::kRest};
}

std::optional<Then> then_of(const Judgement& judgement) {
  if (judgement.action == Action::kDelivered) return std::nullopt;
  if (judgement.action == Action::kBounce) return Then::kBounce;
  switch (judgement.effect) {
    case SiteEffect::kNone:
      return Then::kRetry;
    case SiteEffect::kNextHost:
      return Then::kNextHost;
    case SiteEffect::kSlowDown:
      return Then::kSlow;
    case SiteEffect::kRest:
      break;
  }
  return Then::kRest;
}

Result<void> check_reply_code(std::string_view text) {
  const auto code = ascii::parse_u64(text);
  const bool one = text.size() == kCodeSize && code && *code >= 400 && *code <= 599;
  if (one || text == "4xx" || text == "5xx") return {};
  return failure("'" + ascii::printable(text, 20) +
                 "' is not a reply code: 400 to 599, 4xx or 5xx");
}

ReplyRules::ReplyRules(std::vector<ReplyRule> rules) : rules_(std::move(rules)) {
  for (ReplyRule& rule : rules_) rule.text = ascii::lower(rule.text);
}

bool ReplyRules::fits(std::size_t rule, const Status& status) const {
  const ReplyRule& wanted = rules_[rule];
  if (!has_code(wanted.code, status.code)) return false;
  std::string text = ascii::lower(status.text);
  // Servers break lines where they like.
  std::ranges::replace(text, '\n', ' ');
  return text.find(wanted.text) != std::string::npos;
}

ReplyRules::Decision ReplyRules::judge(Stage stage, const Status& status) const {
  // Rules are for what a host says; silence and lost connections are for the general policy.
  const bool is_refusal = status.is_transient() || status.is_permanent();
  for (std::size_t i = 0; is_refusal && stage >= Stage::kGreeting && i < rules_.size(); ++i) {
    if (!fits(i, status)) continue;
    const ReplyRule& rule = rules_[i];
    return {judgement_of(rule.then), i, rule.then == Then::kRest ? rule.rest : Duration(0)};
  }
  return {policy::judge(stage, status), std::nullopt, Duration(0)};
}

Result<ReplySample> parse_reply_sample(std::string_view text) {
  const std::size_t colon = text.find(": ");
  if (colon == std::string_view::npos) {
    return failure("a sample reads \"THEN: REPLY\" or \"THEN at STAGE: REPLY\"");
  }
  const std::string_view head = text.substr(0, colon);
  const std::size_t at = head.find(" at ");
  ReplySample sample;
  const auto then = then_named(head.substr(0, at));
  if (!then) return failure("a sample begins with retry, bounce, slow, next_host or rest");
  sample.then = *then;
  if (at != std::string_view::npos) {
    const auto stage = stage_named(head.substr(at + 4));
    if (!stage) {
      return failure("'" + ascii::printable(head.substr(at + 4), 40) +
                     "' is no stage: greeting, hello, starttls, auth, mail, recipient, data or "
                     "end-of-data");
    }
    sample.stage = *stage;
  }
  auto status = parse_status(text.substr(colon + 2));
  if (!status) return failure("the reply of a sample begins with a code from 400 to 599");
  sample.status = *std::move(status);
  return sample;
}

}  // namespace postrider::policy
