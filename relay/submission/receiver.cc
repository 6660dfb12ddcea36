#include "relay/submission/receiver.h"

#include <algorithm>
#include <sys/resource.h>
#include <utility>
#include <vector>

#include "relay/base/log.h"
#include "relay/submission/connection.h"

namespace postrider::submission {

using metrics::Metric;

SigningMeters::SigningMeters(metrics::Registry& registry)
    : rsa(registry.counter(Metric::kSignatures, "rsa")),
      ed25519(registry.counter(Metric::kSignatures, "ed25519")),
      failed(registry.counter(Metric::kSignatures, "failed")),
      busy(registry.counter(Metric::kSignatures, "busy")),
      seconds(registry.histogram(Metric::kSigningSeconds)) {}

std::size_t lingering_connections_max() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  return std::max<std::size_t>(1, limit.rlim_cur / 8);
}

Receiver::Receiver(event::Loop& loop, Shared& shared) : loop_(loop), shared_(shared) {
  metrics::Registry& registry = shared.metrics;
  counters_.auth_accepted = registry.counter(Metric::kAuthentications, "accepted");
  counters_.auth_rejected = registry.counter(Metric::kAuthentications, "rejected");
  counters_.auth_busy = registry.counter(Metric::kAuthentications, "busy");
  counters_.auth_backoff = registry.counter(Metric::kAuthentications, "backoff");
  counters_.tls_ok = registry.counter(Metric::kTlsHandshakesIn, "ok");
  counters_.tls_failed = registry.counter(Metric::kTlsHandshakesIn, "failed");
  counters_.messages = registry.counter(Metric::kMessagesAccepted);
  counters_.bytes = registry.counter(Metric::kBytesAccepted);
  counters_.recipients = registry.counter(Metric::kRecipientsAccepted);
  counters_.future_release = registry.counter(Metric::kExtensionsUsed, "future_release");
  counters_.mt_priority = registry.counter(Metric::kExtensionsUsed, "mt_priority");
  counters_.mt_priority_lowered = registry.counter(Metric::kExtensionsUsed, "mt_priority_lowered");
  counters_.submit_seconds = registry.histogram(Metric::kSubmitSeconds);
}

Receiver::~Receiver() = default;

void Receiver::adopt(Accepted accepted) {
  sessions_.fetch_add(1, std::memory_order_relaxed);
  loop_.post([this, accepted = std::move(accepted)]() mutable { start(std::move(accepted)); });
}

void Receiver::start(Accepted accepted) {
  if (stopping_) {  // the listener has closed meanwhile; so does what was on its way
    sessions_.fetch_sub(1, std::memory_order_relaxed);
    note_if_empty();
    return;
  }
  const std::uint64_t id = next_id_++;
  auto connection = std::make_unique<Connection>(*this, id, std::move(accepted));
  Connection& started = *connection;
  connections_.emplace(id, std::move(connection));
  started.start();
}

Connection* Receiver::find(std::uint64_t id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

void Receiver::remove(std::uint64_t id) {
  connections_.erase(id);
  sessions_.fetch_sub(1, std::memory_order_relaxed);
  note_if_empty();
}

void Receiver::count(const Receipt& receipt, TimePoint started) const {
  if (!receipt.accepted()) return;
  counters_.messages.add();
  counters_.bytes.add(receipt.size);
  counters_.recipients.add(receipt.recipients);
  if (receipt.future_release) counters_.future_release.add();
  if (receipt.mt_priority) counters_.mt_priority.add();
  if (receipt.mt_priority_lowered) counters_.mt_priority_lowered.add();
  const Duration taken = shared_.clock.now() - started;
  counters_.submit_seconds.observe(std::chrono::duration<double>(taken).count());
}

void Receiver::note_if_empty() {
  if (!stopping_ || !connections_.empty() || !on_empty_) return;
  auto done = std::exchange(on_empty_, {});
  done();
}

void Receiver::shut_down(UniqueFunction<void()> done) {
  stopping_ = true;
  on_empty_ = std::move(done);
  std::vector<std::uint64_t> ids;
  ids.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    if (Connection* connection = find(id)) connection->shut_down();
  }
  note_if_empty();
}

void Receiver::cut_off() {
  const std::size_t count = connections_.size();
  connections_.clear();
  sessions_.fetch_sub(count, std::memory_order_relaxed);
  note_if_empty();
}

}  // namespace postrider::submission
