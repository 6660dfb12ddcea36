// The part of Committer that begins and ends suspensions.
#include "queue/committer.h"
#include "relay/base/log.h"

namespace postrider::queue {

void Committer::run_suspend(SuspendOp operation) {
  const Suspension& wanted = operation.suspension;
  {
    auto index = core_.index.lock();
    const bool is_known = index->suspensions().find(wanted) != nullptr;
    if (!operation.begins && !is_known) return operation.done(std::uint64_t{0});
    if (!is_known && index->suspensions().size() >= Queue::kSuspensionsMax) {
      return operation.done(failure("there are as many suspensions as may be"));
    }
  }
  if (auto written = write_suspensions({wanted}, operation.begins); !written) {
    return operation.done(failure(written.error()));
  }
  operation.done(std::uint64_t{1});
}

// Those whose time is over.
bool Committer::end_suspensions() {
  const std::vector<Suspension> ended = core_.index.lock()->suspensions().ended(core_.clock.wall());
  if (ended.empty()) return false;
  for (const Suspension& rule : ended) {
    log::info("queue", "a suspension has ended",
              {{"domain", rule.domain}, {"tenant", rule.tenant}, {"campaign", rule.campaign}});
  }
  // After a failure: once the store works again.
  static_cast<void>(write_suspensions(ended, false));
  return true;
}

Result<void> Committer::write_suspensions(const std::vector<Suspension>& rules, bool begin) {
  batch_->clear();
  for (const Suspension& rule : rules) {
    const std::string key = suspension_key(rule.domain, rule.tenant, rule.campaign);
    begin ? batch_->put(key, encode(key, rule)) : batch_->erase(key);
  }
  if (auto written = write(true); !written) {
    doubtful_suspensions_ = rules;
    not_written(written.error());
    return written;
  }
  bool news = false;
  {
    auto index = core_.index.lock();
    if (begin) {
      for (const Suspension& rule : rules) index->suspend(rule);
    } else {
      index->resume(rules);
    }
    news = index->take_news();
  }
  if (news) core_.reader_signal.notify();
  return {};
}

// What memory says of them.
void Committer::encode_suspensions(const std::vector<Suspension>& rules) {
  auto index = core_.index.lock();
  for (const Suspension& rule : rules) {
    const std::string key = suspension_key(rule.domain, rule.tenant, rule.campaign);
    const Suspension* known = index->suspensions().find(rule);
    known != nullptr ? batch_->put(key, encode(key, *known)) : batch_->erase(key);
  }
}

}  // namespace postrider::queue
