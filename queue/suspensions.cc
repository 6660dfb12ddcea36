#include "queue/suspensions.h"

#include <algorithm>
#include <utility>

namespace postrider::queue {

namespace {

constexpr unsigned kNamesDomain = 1;
constexpr unsigned kNamesTenant = 2;
constexpr unsigned kNamesCampaign = 4;

}  // namespace

unsigned Suspensions::shape_of(const Suspension& rule) {
  return (rule.domain.empty() ? 0U : kNamesDomain) | (rule.tenant.empty() ? 0U : kNamesTenant) |
         (rule.campaign.empty() ? 0U : kNamesCampaign);
}

Suspensions::Name Suspensions::name_of(const Suspension& rule) {
  return {as_written(rule.domain), as_written(rule.tenant), as_written(rule.campaign)};
}

void Suspensions::add(Suspension rule) {
  const unsigned shape = shape_of(rule);
  Name name = name_of(rule);
  if (rules_.insert_or_assign(std::move(name), std::move(rule)).second) ++of_shape_[shape];
  find_next_end();
}

void Suspensions::remove(const Suspension& rule) {
  if (rules_.erase(name_of(rule)) == 0) return;
  --of_shape_[shape_of(rule)];
  find_next_end();
}

const Suspension* Suspensions::find(const Suspension& rule) const {
  const auto at = rules_.find(name_of(rule));
  return at == rules_.end() ? nullptr : &at->second;
}

bool Suspensions::match(std::string_view queue) const {
  const NameParts parts = parts_of(queue);
  for (unsigned shape = 0; shape < kShapes; ++shape) {
    if (of_shape_[shape] == 0) continue;
    const View named{(shape & kNamesDomain) != 0 ? parts.domain : std::string_view(),
                     (shape & kNamesTenant) != 0 ? parts.tenant : std::string_view(),
                     (shape & kNamesCampaign) != 0 ? parts.campaign : std::string_view()};
    if (rules_.find(named) != rules_.end()) return true;
  }
  return false;
}

std::vector<Suspension> Suspensions::all() const {
  std::vector<Suspension> all;
  all.reserve(rules_.size());
  for (const auto& [name, rule] : rules_) all.push_back(rule);
  return all;
}

std::vector<Suspension> Suspensions::ended(WallTime now) const {
  std::vector<Suspension> ended;
  if (!next_end_ || *next_end_ > now) return ended;
  for (const auto& [name, rule] : rules_) {
    if (rule.until && *rule.until <= now) ended.push_back(rule);
  }
  return ended;
}

void Suspensions::find_next_end() {
  next_end_.reset();
  for (const auto& [name, rule] : rules_) {
    if (rule.until) next_end_ = next_end_ ? std::min(*next_end_, *rule.until) : rule.until;
  }
}

}  // namespace postrider::queue
