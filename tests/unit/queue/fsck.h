// fsck: reads a store key by key and says what breaks the rules of FORMAT.md. For tests: it knows
// the rules, not how the queue keeps them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "queue/keys.h"
#include "queue/record.h"
#include "queue/store.h"

namespace postrider::queue {

class Fsck {
 public:
  // Everything wrong, one sentence each; empty: sound. Quarantined deliveries are not expected to
  // be in the index.
  static std::vector<std::string> check(Store& store) {
    Fsck fsck;
    fsck.read(store);
    fsck.check_messages();
    fsck.check_deliveries();
    fsck.check_queues();
    fsck.check_totals();
    fsck.check_tenants();
    return fsck.wrong_;
  }

 private:
  void read(Store& store) {
    const auto cursor = store.scan(std::string_view("\0", 1), "\xff");
    for (; cursor->valid(); cursor->next()) {
      const std::string key(cursor->key());
      all_[key] = std::string(cursor->value());
    }
    for (const auto& [key, value] : all_) sort(key, value);
  }

  void sort(const std::string& key, const std::string& value) {
    switch (key[0]) {
      case space::kMessage: {
        auto message = decode_message(key, value);
        message ? void(messages_[*decode_id(key)] = *message) : complain("message", key);
        break;
      }
      case space::kDelivery: {
        auto delivery = decode_delivery(key, value);
        delivery ? void(deliveries_[*decode_delivery_key(key)] = *delivery)
                 : complain("delivery", key);
        break;
      }
      case space::kQueue: {
        auto queue = decode_queue(key, value);
        queue ? void(queues_[key.substr(1)] = *queue) : complain("queue", key);
        break;
      }
      case space::kLeft: {
        auto left = decode_number(key, value);
        left ? void(left_[*decode_id(key)] = *left) : complain("left", key);
        break;
      }
      case space::kQuarantine:
        quarantined_.insert(*decode_delivery_key(key));
        break;
      case space::kDue:
        due_.insert(key);
        break;
      case space::kBody:
        ++bodies_[*decode_id(key)];
        break;
      case space::kOpen:
        is_mark(key, value) ? void(open_.insert(*decode_id(key))) : complain("open body", key);
        break;
      case space::kTenant: {
        auto tenant = decode_tenant(key, value);
        tenant ? void(tenants_[key.substr(1)] = *tenant) : complain("tenant", key);
        break;
      }
      case space::kState:
        break;
      default:
        complain("unknown key", key);
    }
  }

  void check_messages() {
    std::map<MessageId, std::uint64_t> counts;
    for (const auto& [key, record] : deliveries_) ++counts[key.id];
    for (const auto& [id, message] : messages_) {
      const std::uint64_t count = counts[id];
      if (count == 0) complain("message without deliveries", message_key(id));
      if (message.deliveries > 1 && left_[id] != count) complain("left differs", message_key(id));
      if (message.deliveries == 1 && left_.contains(id)) complain("left not wanted", left_key(id));
      check_body(message);
      if (open_.contains(id)) complain("mark of a body that has its message", open_key(id));
      bodies_.erase(id);
      left_.erase(id);
    }
    check_open();
    if (!left_.empty()) complain("left without message", left_key(left_.begin()->first));
  }

  // Chunks as FORMAT.md counts them: the front, if there is one, then 64 KiB each.
  void check_body(const Message& message) {
    std::uint64_t before = 0;
    std::uint32_t chunk = 0;
    for (; before < message.size; ++chunk) {
      const std::uint64_t left = message.size - before;
      const std::uint64_t expected =
          chunk == 0 && message.front > 0 ? message.front : std::min<std::uint64_t>(left, 65536);
      const std::string key = body_key(message.id, chunk);
      const auto body = open_body_chunk(key, Chunk(all_[key]));
      if (!body || body->size() != expected) complain("body chunk", key);
      before += expected;
    }
    if (bodies_[message.id] != chunk) complain("body chunks", message_key(message.id));
  }

  // What is left has no message: it is being written, from the first chunk behind its front.
  void check_open() {
    std::erase_if(bodies_, [](const auto& one) { return one.second == 0; });
    for (const auto& [id, chunks] : bodies_) {
      if (!open_.contains(id)) complain("body without message or mark", body_key(id, 0));
      for (std::uint32_t chunk = 1; chunk <= chunks; ++chunk) {
        const std::string key = body_key(id, chunk);
        const auto body = open_body_chunk(key, Chunk(all_[key]));
        if (!body || body->size() != 65536) complain("chunk of an open body", key);
      }
    }
    for (const MessageId& id : open_) {
      if (!bodies_.contains(id)) complain("mark without a body", open_key(id));
    }
  }

  void check_deliveries() {
    for (const auto& [key, record] : deliveries_) {
      const auto message = messages_.find(key.id);
      if (message == messages_.end()) {
        complain("delivery without message", delivery_key(key));
        continue;
      }
      if (quarantined_.contains(key)) continue;
      const std::string queue = encode(queue_name(message->second, record.domain));
      if (due_.erase(due_key(queue, {record.due, key.id, key.number})) != 1) {
        complain("delivery not in the index", delivery_key(key));
      }
      Sums& sums = sums_[queue];
      ++sums.deliveries;
      sums.bytes += message->second.size;
      if (record.due == kHeld) ++sums.on_hold;
      sums.earliest = std::min(sums.earliest, record.due);
    }
    if (!due_.empty()) complain("index entry without delivery", *due_.begin());
  }

  void check_queues() {
    for (const auto& [queue, sums] : sums_) {
      const auto at = queues_.find(queue);
      if (at == queues_.end()) {
        complain("queue without record", queue);
        continue;
      }
      if (at->second.deliveries != sums.deliveries) complain("queue's deliveries", queue);
      if (at->second.bytes != sums.bytes) complain("queue's bytes", queue);
      if (at->second.on_hold != sums.on_hold) complain("queue's held deliveries", queue);
      if (at->second.due_bound > sums.earliest) complain("queue's due bound", queue);
    }
    for (const auto& [queue, record] : queues_) {
      if (!sums_.contains(queue)) complain("record without queue", queue);
    }
  }

  void check_totals() {
    const std::string key = state_key("totals");
    const auto totals = decode_totals(key, all_[key]);
    if (!totals) return complain("totals", key);
    std::uint64_t bytes = 0;
    for (const auto& [id, message] : messages_) bytes += message.size;
    if (totals->messages != messages_.size()) complain("number of messages", key);
    if (totals->bytes != bytes) complain("octets of messages", key);
    if (messages_.empty()) return;
    if (totals->last_id < messages_.rbegin()->first) complain("last id", key);
    if (totals->low_water > messages_.begin()->first) complain("low water", key);
  }

  void check_tenants() {
    std::map<std::string, TenantRecord> sums;
    for (const auto& [id, message] : messages_) {
      TenantRecord& sum = sums[message.envelope.tenant];
      ++sum.messages;
      sum.bytes += message.size;
    }
    for (const auto& [tenant, sum] : sums) {
      if (tenants_[tenant] != sum) complain("counts of a tenant", tenant_key(tenant));
    }
    for (const auto& [tenant, record] : tenants_) {
      if (!sums.contains(tenant)) complain("record without tenant", tenant_key(tenant));
    }
  }

  void complain(const std::string& what, std::string_view key) {
    wrong_.push_back(what + " at key " + ::testing::PrintToString(std::string(key)));
  }

  struct Sums {
    std::uint64_t deliveries = 0;
    std::uint64_t bytes = 0;
    std::uint64_t on_hold = 0;
    WallTime earliest = WallTime::max();
  };

  std::map<std::string, std::string> all_;
  std::map<MessageId, Message> messages_;
  std::map<DeliveryKey, DeliveryRecord> deliveries_;
  std::map<std::string, QueueRecord> queues_;
  std::map<MessageId, std::uint64_t> left_;
  std::map<MessageId, std::uint32_t> bodies_;
  std::set<MessageId> open_;
  std::map<std::string, TenantRecord> tenants_;
  std::set<DeliveryKey> quarantined_;
  std::set<std::string> due_;
  std::map<std::string, Sums> sums_;
  std::vector<std::string> wrong_;
};

}  // namespace postrider::queue
