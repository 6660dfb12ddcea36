#include "relay/delivery/backlog.h"

#include <algorithm>
#include <limits>

namespace postrider::delivery {

namespace {

std::string queue_name(const queue::Lease& lease) {
  const message::Envelope& envelope = lease.message().envelope;
  // None of them has a space: labels are visible ASCII, domains are host names or literals.
  return lease.domain() + " " + envelope.tenant + " " + envelope.campaign + " " +
         std::to_string(static_cast<int>(lease.message().band));
}

}  // namespace

std::size_t Backlog::kept_of(const policy::RateLimit& limit) {
  if (limit.step() == Duration(0)) return std::numeric_limits<std::size_t>::max();
  return std::max(kKeepMin, static_cast<std::size_t>(kKeepFor / limit.step()));
}

Backlog::Line& Backlog::line_of(const queue::Lease& lease) {
  std::string name = queue_name(lease);
  std::unique_ptr<Line>& line = lines_[name];
  if (!line) {
    line = std::make_unique<Line>();
    const std::string& tenant = lease.message().envelope.tenant;
    const auto weight = weights_->find(tenant);
    line->member = {++last_id_, lease.message().band, tenant,
                    weight == weights_->end() ? 1 : weight->second};
    line->name = std::move(name);
    line->rate = policy::RateLimit(queue_rate_);
    by_id_[line->member.id] = line.get();
  }
  return *line;
}

void Backlog::push(queue::Lease lease, TimePoint until) {
  Line& line = line_of(lease);
  const Age age{lease.message().id, lease.number()};
  // Whether its rate is ready is seen when it is looked for.
  if (line.leases.empty()) resting_.emplace(line.rate.ready_at(), line.member.id);
  overdue_at_ = empty() ? until : std::min(overdue_at_, until);
  if (line.leases.try_emplace(age, Waiting{std::move(lease), until}).second) ++size_;
}

queue::Lease Backlog::pop(Line& line, ByAge::iterator which) {
  queue::Lease lease = std::move(which->second.lease);
  line.leases.erase(which);
  --size_;
  if (line.leases.empty()) {
    turns_.leave(line.member);
    resting_.erase({line.rate.ready_at(), line.member.id});
  }
  return lease;
}

void Backlog::wake(TimePoint now) {
  while (!resting_.empty() && resting_.begin()->first <= now) {
    turns_.join(by_id_.at(resting_.begin()->second)->member);
    resting_.erase(resting_.begin());
  }
}

std::optional<queue::Lease> Backlog::take(TimePoint now) {
  wake(now);
  const auto next = turns_.next();
  if (!next) return std::nullopt;
  Line& line = *by_id_.at(*next);
  turns_.take(line.member);
  queue::Lease lease = pop(line, line.leases.begin());
  line.rate.take(now);
  if (line.leases.empty()) {
    if (line.rate.is_fresh(now)) {
      forget(line);
    } else {
      forget_idle(now);
    }
  } else if (line.rate.ready_at() > now) {
    turns_.leave(line.member);
    resting_.emplace(line.rate.ready_at(), line.member.id);
  }
  return lease;
}

TimePoint Backlog::ready_at(TimePoint now) const {
  if (turns_.size() > 0) return now;
  return resting_.empty() ? TimePoint::max() : resting_.begin()->first;
}

void Backlog::forget(Line& line) {
  by_id_.erase(line.member.id);
  const std::string name = line.name;
  lines_.erase(name);
}

void Backlog::forget_idle(TimePoint now) {
  const std::size_t working = turns_.size() + resting_.size();
  if (lines_.size() - working <= idle_max_) return;
  std::erase_if(lines_, [&](const auto& entry) {
    const Line& line = *entry.second;
    if (!line.leases.empty() || !line.rate.is_fresh(now)) return false;
    by_id_.erase(line.member.id);
    return true;
  });
  // Not again before as many more are there, or each would be looked at again and again.
  idle_max_ = std::max(kIdleMax, 2 * (lines_.size() - working));
}

std::optional<queue::Lease> Backlog::shed(std::size_t keep) {
  if (size_ <= keep) return std::nullopt;
  const auto longest =
      std::max_element(lines_.begin(), lines_.end(), [](const auto& a, const auto& b) {
        return a.second->leases.size() < b.second->leases.size();
      });
  Line& line = *longest->second;
  return pop(line, std::prev(line.leases.end()));
}

std::optional<Backlog::Late> Backlog::shed_late(TimePoint now) {
  if (!queue_rate_.is_limited()) return std::nullopt;
  for (const auto& [name, line] : lines_) {
    const std::size_t keep = kept_of(line->rate);
    if (line->leases.size() <= keep) continue;
    queue::Lease lease = pop(*line, std::prev(line->leases.end()));
    return Late{std::move(lease), line->appointments.make(line->rate, keep, now)};
  }
  return std::nullopt;
}

std::vector<queue::Lease> Backlog::take_overdue(TimePoint now) {
  std::vector<queue::Lease> overdue;
  if (now < overdue_at()) return overdue;
  overdue_at_ = TimePoint::max();
  for (const auto& [name, line] : lines_) {
    for (auto next = line->leases.begin(); next != line->leases.end();) {
      const auto one = next++;
      if (one->second.until <= now) {
        overdue.push_back(pop(*line, one));
      } else {
        overdue_at_ = std::min(overdue_at_, one->second.until);
      }
    }
  }
  overdue_at_ = std::max(overdue_at_, now + kOverduePause);
  forget_idle(now);
  return overdue;
}

std::vector<queue::Lease> Backlog::take_all() {
  std::vector<queue::Lease> all;
  all.reserve(size_);
  for (auto& [name, line] : lines_) {
    for (auto& [age, waiting] : line->leases) all.push_back(std::move(waiting.lease));
    line->leases.clear();
    turns_.leave(line->member);
  }
  resting_.clear();
  if (!queue_rate_.is_limited()) {  // then nothing of them matters any more
    lines_.clear();
    by_id_.clear();
  }
  size_ = 0;
  return all;
}

}  // namespace postrider::delivery
