#include "relay/config/provider_checks.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <vector>

#include "relay/base/ascii.h"
#include "relay/policy/reply_rules.h"

namespace postrider::config {

namespace {

// One provider's rules for replies, with their places among all.
struct Rules {
  std::vector<std::size_t> places;
  policy::ReplyRules rules;
};

Rules rules_of(const delivery::Options& delivery, const std::string& provider) {
  Rules found;
  std::vector<policy::ReplyRule> rules;
  for (std::size_t i = 0; i < delivery.replies.size(); ++i) {
    if (delivery.replies[i].provider != provider) continue;
    found.places.push_back(i);
    rules.push_back(delivery.replies[i].rule);
  }
  found.rules = policy::ReplyRules(std::move(rules));
  return found;
}

// Those of the provider and of its rules, with the option that has them.
struct NamedSample {
  std::string option;
  policy::ReplySample sample;
};

void add_samples(std::vector<NamedSample>& all, const std::string& option,
                 const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (auto sample = policy::parse_reply_sample(text)) all.push_back({option, *std::move(sample)});
  }
}

class ProviderChecker {
 public:
  ProviderChecker(const delivery::Options& delivery, const Lines& lines, ProblemList& problems)
      : delivery_(delivery), lines_(lines), problems_(problems) {}

  void check(std::size_t place) {
    const delivery::ProviderOptions& provider = delivery_.providers[place];
    const Rules rules = rules_of(delivery_, provider.name);
    std::vector<NamedSample> samples;
    add_samples(samples, fmt::format("provider[{}].samples", place), provider.samples);
    for (const std::size_t reply : rules.places) {
      add_samples(samples, fmt::format("reply[{}].samples", reply),
                  delivery_.replies[reply].samples);
    }
    std::vector<bool> decides(rules.places.size(), false);
    for (const auto& [option, sample] : samples) {
      const auto decision = rules.rules.judge(sample.stage, sample.status);
      if (decision.rule) decides[*decision.rule] = true;
      const auto then = policy::then_of(decision.judgement);
      if (then == sample.then || !lines_.contains(option)) continue;
      problems_.add(
          lines_, option,
          fmt::format("{}: '{}' is judged {}, not {}", ascii::printable(provider.name, 60),
                      sample.status.to_line(), then ? policy::name_of(*then) : "delivered",
                      policy::name_of(sample.then)));
    }
    for (std::size_t rule = 0; rule < decides.size(); ++rule) {
      if (!decides[rule] && is_of_file(rules, rule)) complain(rules, rule, samples);
    }
  }

 private:
  // What comes with postrider has no line. The file may decide otherwise than that.
  [[nodiscard]] bool is_of_file(const Rules& rules, std::size_t rule) const {
    return lines_.contains(fmt::format("reply[{}]", rules.places[rule]));
  }

  // Of a rule that decides no sample: an earlier one takes them all, or it fits none.
  void complain(const Rules& rules, std::size_t rule, const std::vector<NamedSample>& samples) {
    const std::string name = fmt::format("reply[{}]", rules.places[rule]);
    const auto shadowed = std::find_if(samples.begin(), samples.end(), [&](const NamedSample& one) {
      return rules.rules.fits(rule, one.sample.status);
    });
    if (shadowed == samples.end()) {
      problems_.add(lines_, name,
                    "no sample of its provider fits it, so it may never match; add a reply that it "
                    "is for to its samples");
      return;
    }
    const std::size_t first =
        *rules.rules.judge(shadowed->sample.stage, shadowed->sample.status).rule;
    const auto line = lines_.find(fmt::format("reply[{}]", rules.places[first]));
    problems_.add(
        lines_, name,
        fmt::format("never decides: what fits it is taken by an earlier [[reply]]{}",
                    line == lines_.end() ? "" : fmt::format(" on line {}", line->second)));
  }

  const delivery::Options& delivery_;
  const Lines& lines_;
  ProblemList& problems_;
};

}  // namespace

void check_providers(const delivery::Options& delivery, const Lines& lines, ProblemList& problems) {
  ProviderChecker checker(delivery, lines, problems);
  for (std::size_t i = 0; i < delivery.providers.size(); ++i) checker.check(i);
  for (std::size_t i = 0; i < delivery.replies.size(); ++i) {
    const std::string name = fmt::format("reply[{}]", i);
    const delivery::ReplyOptions& reply = delivery.replies[i];
    if (reply.rule.code.empty()) problems.add(lines, name, "code is missing");
    if (reply.provider.empty()) {
      problems.add(lines, name, "provider is missing");
      continue;
    }
    const bool known = std::any_of(
        delivery.providers.begin(), delivery.providers.end(),
        [&reply](const delivery::ProviderOptions& one) { return one.name == reply.provider; });
    if (!known) {
      problems.add(lines, name + ".provider",
                   fmt::format("there is no provider '{}'", ascii::printable(reply.provider, 60)));
    }
  }
}

}  // namespace postrider::config
