// ModelRun: random operations on a queue, and a naive model that knows for every delivery which
// states are possible; without a failure or crash that is always one. For tests. Thread: one owner.
#pragma once

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {

// One delivery as it may be on disk; without recipients it has ended.
struct State {
  std::vector<std::string> recipients;
  WallTime due;
  std::uint32_t attempts = 0;

  bool operator==(const State&) const = default;
};

struct ModelDelivery {
  // Possible on disk now, the newest last. What a power loss would leave of them: the newest or
  // any that was there since the last sync.
  std::vector<State> possible;
  std::vector<State> since_sync;
  bool leased = false;
  bool remove_asked = false;
  bool hold_asked = false;     // while leased; or before a crash, and not carried out yet
  bool held_unsynced = false;  // held since the last sync: a power loss brings the request back
};

struct ModelMessage {
  std::string body;
  std::string sender;
  WallTime not_before;
  std::map<std::uint32_t, ModelDelivery> deliveries;
  bool answered = false;
  bool unsynced = false;       // a report, committed with its completion but not synced yet
  bool possible_only = false;  // refused or unanswered when a crash came: may or may not be there
};

// A text that is being written. What a callback changes is here, since it may come after the body
// was destroyed.
struct ModelOpen {
  MessageId id;
  OpenBody body;
  std::string text;  // of the parts that were answered
  bool under_way = false;
  bool refused = false;
};

struct Pending {
  DeliveryKey delivery;
  State next;
  std::optional<MessageId> report;
  bool held = false;  // the hold that was asked for while it was leased is carried out with this
};

class ModelRun {
 public:
  ModelRun(std::uint64_t seed, const Options& options) : random_(seed), world_(options, seed) {}

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      one_operation();
      if (chance(30)) settle_and_check();
    }
    drain();
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }

  void one_operation() {
    switch (below(25)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return submit();
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        return finish_one();
      case 11:
        return give_back();
      case 12:
        return read_body();
      case 13:
        return world_.clock.advance(Milliseconds(below(3) == 0 ? 120'000 : below(60)));
      case 14:
        return chance(30) ? remove() : void();
      case 15:
        return chance(30) ? retry_now() : void();
      case 16:
        return chance(40) ? inject() : void();
      case 17:
        return chance(10) ? crash() : void();
      case 18:
        return void(world_.committer->step());
      case 19:
        return chance(40) ? (chance(50) ? hold() : release()) : void();
      case 20:
        return chance(20) ? suspend_or_resume() : void();
      case 21:
      case 22:
        return open_or_append();
      case 23:
        return chance(40) ? submit_open() : chance(20) ? abandon() : void();
      default:
        return void(world_.reader->step());
    }
  }

  // --- operations ---

  std::shared_ptr<ModelOpen> any_open() {
    return open_.empty() ? nullptr : open_[below(open_.size())];
  }

  void open_or_append() {
    if (open_.empty() || chance(15)) {
      auto fresh = std::make_shared<ModelOpen>();
      fresh->id = world_.core->ids.next();
      fresh->body = world_.open_body(fresh->id);
      open_.push_back(std::move(fresh));
    }
    const auto one = any_open();
    if (one->under_way || one->refused) return;
    std::string part((1 + below(2)) * OpenBody::kPartUnit, static_cast<char>('a' + below(26)));
    one->under_way = true;
    message::Body body{std::string(part)};
    one->body.append(std::move(body), [one, part = std::move(part)](Refusal refusal) {
      one->under_way = false;
      one->refused = refusal != Refusal::kNone;
      if (!one->refused) one->text += part;
    });
  }

  void abandon() {
    if (const auto one = any_open()) drop(one);
  }

  void drop(const std::shared_ptr<ModelOpen>& one) {
    one->body = {};
    std::erase(open_, one);
  }

  void drop_refused() {
    const auto all = open_;
    for (const auto& one : all) {
      if (one->refused) drop(one);
    }
  }

  // The texts that are being written are those that the disk has marks of.
  void compare_open() {
    std::set<MessageId> expected;
    for (const auto& one : open_) {
      if (!one->text.empty()) expected.insert(one->id);
    }
    std::set<MessageId> marked;
    const std::string lower(1, space::kOpen);
    const auto marks = world_.store.scan(lower, after_prefix(lower));
    for (; marks->valid(); marks->next()) marked.insert(*decode_id(marks->key()));
    EXPECT_EQ(marked, expected);
    EXPECT_EQ(world_.core->open_bodies, open_.size());
  }

  Submission make() {
    static const char* const kDomains[] = {"a.example", "b.example", "c.example", "d.example"};
    std::vector<std::string> recipients;
    for (std::uint64_t i = 0, count = 1 + below(5); i < count; ++i) {
      recipients.push_back("r" + std::to_string(i) + "@" + kDomains[below(4)]);
    }
    const std::size_t size = chance(5) ? below(200'000) : below(300);
    std::string body(size, ' ');
    for (std::size_t i = 0; i < size; i += 11) body[i] = static_cast<char>('a' + below(26));
    return with_envelope(recipients, body);
  }

  // One that may come of a text that is being written; nullopt: there is none that is ready.
  std::optional<Submission> make_of_open() {
    const auto one = any_open();
    if (one == nullptr || one->under_way || one->refused) return std::nullopt;
    const std::string front = "Subject: x\r\n\r\n";
    const std::string rest(below(2 * OpenBody::kPartUnit), 'z');
    Submission submission = with_envelope({"r@a.example", "r@b.example"}, front, one->id);
    one->body.end(message::Body(std::string(rest)));
    submission.opened = std::move(one->body);
    messages_.at(one->id).body = front + one->text + rest;
    std::erase(open_, one);
    return submission;
  }

  Submission with_envelope(const std::vector<std::string>& recipients, const std::string& body,
                           std::optional<MessageId> id = std::nullopt) {
    const std::string sender = chance(50) ? "x@s.example" : "y@s.example";
    Submission submission = world_.message(recipients, body, sender);
    if (id) submission.id = *id;
    static const char* const kTenants[] = {"", "t1", "t2"};
    submission.envelope.tenant = kTenants[below(3)];
    submission.band = static_cast<Band>(below(kBands));
    if (chance(10)) submission.not_before = world_.clock.wall() + Milliseconds(below(100'000));
    remember(submission, body, sender);
    return submission;
  }

  void remember(const Submission& submission, const std::string& body, const std::string& sender) {
    ModelMessage& message = messages_[submission.id];
    message.body = body;
    message.sender = sender;
    message.not_before = submission.not_before;
    std::vector<std::string> order;
    std::map<std::string, std::vector<std::string>> groups;
    for (const auto& recipient : submission.recipients) {
      auto& group = groups[recipient.address.domain];
      if (group.empty()) order.push_back(recipient.address.domain);
      group.push_back(recipient.address.to_string());
    }
    for (std::uint32_t i = 0; i < order.size(); ++i) {
      message.deliveries[i].possible = {
          State{groups[order[i]], std::max(submission.not_before, world_.clock.wall()), 0}};
    }
  }

  void submit_open() {
    if (auto submission = make_of_open()) submit(std::move(*submission));
  }

  void submit() { submit(make()); }

  void submit(Submission submission) {
    const MessageId id = submission.id;
    world_.core->submit(std::move(submission), [this, id](Refusal refusal) {
      ModelMessage& message = messages_.at(id);
      message.answered = true;
      if (refusal == Refusal::kNone) {
        // Its due time is that of its commit.
        for (auto& [number, delivery] : message.deliveries) {
          State& state = delivery.possible.back();
          state.due = std::max(message.not_before, world_.clock.wall());
        }
        return;
      }
      if (world_.core->failed) refused_.insert(id);
      if (!world_.core->failed) messages_.erase(id);
    });
  }

  std::optional<Lease> any_lease() {
    accept_leases();
    if (held_.empty()) return std::nullopt;
    const std::size_t at = below(held_.size());
    Lease lease = std::move(held_[at]);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
    return lease;
  }

  ModelDelivery& model_of(const Lease& lease) {
    return messages_.at(lease.message().id).deliveries.at(lease.number());
  }

  static State state_of(const Lease& lease, WallTime due) {
    State state;
    for (const auto& recipient : lease.recipients()) {
      state.recipients.push_back(recipient.address.to_string());
    }
    state.due = due;
    state.attempts = lease.attempts();
    return state;
  }

  void finish_one() {
    auto lease = any_lease();
    if (!lease) return;
    ModelDelivery& delivery = model_of(*lease);
    delivery.leased = false;
    Completion completion;
    State next;
    for (const auto& recipient : lease->recipients()) {
      const Fate fate = chance(25)   ? Fate::kDeferred
                        : chance(80) ? Fate::kDelivered
                                     : Fate::kBounced;
      completion.fates.push_back(fate);
      if (fate == Fate::kDeferred) next.recipients.push_back(recipient.address.to_string());
    }
    completion.next_attempt = world_.clock.wall() + Milliseconds(chance(50) ? 0 : below(200'000));
    if (chance(20)) completion.next_attempt = LeaseParts::due(*lease);
    completion.attempted = chance(80);
    next.due = completion.next_attempt;
    next.attempts = lease->attempts() + (completion.attempted ? 1U : 0U);
    if (next.recipients.empty()) next = {};
    if (delivery.hold_asked && !next.recipients.empty()) next.due = kHeld;
    if (delivery.remove_asked) next = {};
    if (chance(10)) completion.report = make();
    if (!completion.report && chance(5)) completion.report = make_of_open();
    pending_.push_back({LeaseParts::key(*lease), next,
                        completion.report ? std::optional(completion.report->id) : std::nullopt,
                        std::exchange(delivery.hold_asked, false)});
    world_.core->finish(std::move(*lease), std::move(completion));
  }

  void give_back() {
    auto lease = any_lease();
    if (!lease) return;
    ModelDelivery& delivery = model_of(*lease);
    delivery.leased = false;
    State next;
    if (delivery.hold_asked) next = delivery.possible.back();
    if (delivery.hold_asked) next.due = kHeld;
    if (delivery.remove_asked || delivery.hold_asked) {
      pending_.push_back({LeaseParts::key(*lease), next, {}, delivery.hold_asked});
    }
    delivery.hold_asked = false;
  }

  void read_body() {
    auto lease = any_lease();
    if (!lease) return;
    const std::string& expected = messages_.at(lease->message().id).body;
    if (below(2) == 0) read_pieces(*lease, expected);
    world_.core->read_body(std::move(*lease), [this, &expected](Lease back, Result<void> result) {
      if (result) {
        EXPECT_TRUE(back.body()->to_string() == expected);
      }
      returned_.push_back(std::move(back));
    });
    while (world_.reader->step()) {
    }
  }

  void read_pieces(const Lease& lease, const std::string& expected) {
    std::string text;
    std::uint32_t read = 0;
    const std::uint32_t pieces = lease.message().pieces();
    for (std::uint32_t number = 0; number < pieces; ++number) {
      world_.core->read_piece(lease, number, [&](const Result<message::Body>& piece) {
        if (!piece) return;
        text += piece->to_string();
        ++read;
      });
    }
    while (world_.reader->step()) {
    }
    EXPECT_TRUE(read < pieces || text == expected);
  }

  Selector selector() {
    Selector chosen;
    const std::uint64_t kind = below(4);
    if (kind == 0 && !messages_.empty()) {
      auto at = messages_.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(below(messages_.size())));
      chosen.id = at->first;
    } else if (kind == 1) {
      chosen.domain = "b.example";
    } else if (kind == 2) {
      chosen.sender = "x@s.example";
    } else {
      chosen.all = true;
    }
    return chosen;
  }

  template <class Do>
  void for_matching(const Selector& chosen, Do&& act) {
    for (auto& [id, message] : messages_) {
      if (chosen.id && *chosen.id != id) continue;
      if (!chosen.sender.empty() && message.sender != chosen.sender) continue;
      for (auto& [number, delivery] : message.deliveries) {
        const State& state = delivery.possible.back();
        if (state.recipients.empty()) continue;
        if (!chosen.domain.empty() && !state.recipients[0].ends_with("@" + chosen.domain)) continue;
        act(delivery);
      }
    }
  }

  void remove() {
    settle_and_check();
    if (world_.core->failed || faulty_) return;
    const Selector chosen = selector();
    world_.remove(chosen);
    for_matching(chosen, [](ModelDelivery& delivery) {
      delivery.hold_asked = false;
      if (delivery.leased) {
        delivery.remove_asked = true;
      } else {
        apply(delivery, State{});
      }
    });
    settle_and_check();
  }

  void retry_now() {
    settle_and_check();
    if (world_.core->failed || faulty_) return;
    const Selector chosen = selector();
    for_matching(chosen, [this](ModelDelivery& delivery) {
      State& state = delivery.possible.back();
      if (delivery.leased) return;
      // A removal that a crash has put off comes first.
      if (delivery.remove_asked) return apply(delivery, State{});
      if (state.due == kHeld) return;
      if (state.due > world_.clock.wall()) state.due = world_.clock.wall();
    });
    world_.retry_now(chosen);
    settle_and_check();
  }

  void hold() {
    settle_and_check();
    if (world_.core->failed || faulty_) return;
    const Selector chosen = selector();
    world_.hold(chosen);
    for_matching(chosen, [](ModelDelivery& delivery) {
      if (delivery.leased) {
        delivery.hold_asked = !delivery.remove_asked;
        return;
      }
      State next = delivery.possible.back();
      next.due = kHeld;
      apply(delivery, delivery.remove_asked ? State{} : next);
      delivery.hold_asked = false;
    });
    settle_and_check();
  }

  void release() {
    settle_and_check();
    if (world_.core->failed || faulty_) return;
    const Selector chosen = selector();
    for_matching(chosen, [this](ModelDelivery& delivery) {
      delivery.hold_asked = false;
      if (delivery.leased) return;
      if (delivery.remove_asked) return apply(delivery, State{});
      State next = delivery.possible.back();
      if (next.due != kHeld) return;
      next.due = world_.clock.wall();
      apply(delivery, next);
    });
    world_.release(chosen);
    settle_and_check();
  }

  void suspend_or_resume() {
    settle_and_check();
    if (world_.core->failed || faulty_) return;
    static const char* const kDomains[] = {"a.example", "b.example"};
    const std::string domain = kDomains[below(2)];
    const bool was_suspended = suspended_.contains(domain);
    EXPECT_TRUE(world_.run_suspend(World::of_domain(domain), !was_suspended));
    if (was_suspended) suspended_.erase(domain);
    accept_leases();
    if (!was_suspended) suspended_.insert(domain);
    settle_and_check();
  }

  void inject() {
    static const char* const kCalls[] = {"write", "sync", "get", "scan"};
    world_.fail(kCalls[below(4)], static_cast<int>(1 + below(3)), chance(20));
    faulty_ = true;
  }

  void crash() {
    accept_leases();
    const bool power = chance(50);
    forget_leases();
    while (!open_.empty()) drop(open_.back());
    power ? world_.lose_power() : world_.kill();
    world_.repair_store();
    faulty_ = false;
    after_crash(power);
    world_.open();
    settle_and_check();
  }

  void forget_leases() {
    held_.clear();
    returned_.clear();
    for (auto& [id, message] : messages_) {
      for (auto& [number, delivery] : message.deliveries) delivery.leased = false;
    }
  }

  void after_crash(bool power) {
    // What was finished since the last check may have been written or not.
    for (const Pending& one : pending_) {
      const auto at = messages_.find(one.delivery.id);
      if (at == messages_.end()) continue;
      ModelDelivery& delivery = at->second.deliveries[one.delivery.number];
      delivery.since_sync.push_back(delivery.possible.back());
      delivery.since_sync.push_back(one.next);
      delivery.hold_asked = delivery.hold_asked || one.held;
      add_possible(delivery, one.next);
      if (one.report && messages_.contains(*one.report)) {
        messages_[*one.report].possible_only = true;
        messages_[*one.report].unsynced = true;
      }
    }
    pending_.clear();
    for (auto& [id, message] : messages_) {
      if (!message.answered || refused_.contains(id) || (power && message.unsynced)) {
        message.possible_only = true;
      }
      for (auto& [number, delivery] : message.deliveries) {
        // What was asked for is on disk, and is done as soon as the delivery would be leased.
        if (power && delivery.held_unsynced) delivery.hold_asked = true;
        State held = delivery.possible.back();
        held.due = kHeld;
        if (delivery.hold_asked && !held.recipients.empty()) add_possible(delivery, held);
        if (delivery.remove_asked) add_possible(delivery, State{});
        if (!power) continue;
        for (const State& state : delivery.since_sync) add_possible(delivery, state);
      }
    }
    refused_.clear();
  }

  static void add_possible(ModelDelivery& delivery, const State& state) {
    delivery.possible.insert(delivery.possible.begin(), state);
  }

  // --- checks ---

  void accept_leases() {
    for (Lease& lease : world_.leases) returned_.push_back(std::move(lease));
    world_.leases.clear();
    for (Lease& lease : returned_) {
      ASSERT_TRUE(messages_.contains(lease.message().id));
      ModelDelivery& delivery = model_of(lease);
      if (delivery.leased) check_held(lease);
      if (!delivery.leased) {
        EXPECT_FALSE(delivery.remove_asked) << "leased after its removal was asked for";
        EXPECT_FALSE(delivery.hold_asked) << "leased after it was to be held";
        EXPECT_FALSE(suspended_.contains(lease.domain())) << "leased while suspended";
      }
      delivery.leased = true;
      held_.push_back(std::move(lease));
    }
    returned_.clear();
  }

  // A second lease on a delivery: only one that came back from read_body() may look like it.
  void check_held(const Lease& lease) {
    for (const Lease& other : held_) {
      EXPECT_NE(LeaseParts::key(other), LeaseParts::key(lease)) << "leased twice";
    }
  }

  void settle_and_check() {
    world_.settle();
    if (faulty_) {
      world_.repair_store();
      faulty_ = false;
      doubt_pending();
      world_.advance(Seconds(2));
    }
    drop_refused();
    world_.settle();
    accept_leases();
    ASSERT_FALSE(world_.core->failed);
    for (const Pending& one : pending_) {
      const auto at = messages_.find(one.delivery.id);
      if (at != messages_.end()) carry_out(at->second.deliveries[one.delivery.number], one);
      if (!one.report) continue;
      messages_[*one.report].answered = true;
      messages_[*one.report].unsynced = true;
    }
    pending_.clear();
    for (const MessageId& id : refused_) messages_.erase(id);
    refused_.clear();
    compare();
    compare_open();
    if (world_.committer->all_synced()) synced();
  }

  // A call failed somewhere since the last check: what was finished has happened or is due again.
  void doubt_pending() {
    for (const Pending& one : pending_) {
      const auto at = messages_.find(one.delivery.id);
      if (at == messages_.end()) continue;
      ModelDelivery& delivery = at->second.deliveries[one.delivery.number];
      delivery.since_sync.push_back(delivery.possible.back());
      delivery.possible.push_back(one.next);
      delivery.hold_asked = delivery.hold_asked || one.held;
      if (one.report && messages_.contains(*one.report)) {
        messages_[*one.report].possible_only = true;
        messages_[*one.report].answered = true;
        messages_[*one.report].unsynced = true;
      }
    }
    pending_.clear();
  }

  static void carry_out(ModelDelivery& delivery, const Pending& one) {
    apply(delivery, one.next);
    delivery.held_unsynced = delivery.held_unsynced || one.held;
  }

  static void apply(ModelDelivery& delivery, const State& next) {
    delivery.since_sync.push_back(delivery.possible.back());
    delivery.possible = {next};
  }

  void synced() {
    for (auto& [id, message] : messages_) {
      message.unsynced = false;
      for (auto& [number, delivery] : message.deliveries) {
        delivery.since_sync.clear();
        delivery.held_unsynced = false;
      }
    }
    std::erase_if(messages_, [](const auto& one) {
      for (const auto& [number, delivery] : one.second.deliveries) {
        if (!delivery.possible.back().recipients.empty()) return false;
      }
      return true;
    });
  }

  // What is on disk is one of the possible; from here on it is the only one.
  void compare() {
    for (const std::string& wrong : Fsck::check(world_.store)) ADD_FAILURE() << wrong;
    const Selector all = World::everything();
    Selection selection(world_.store, all, {});
    auto found = selection.next(1'000'000, 1'000'000);
    ASSERT_TRUE(found);
    std::map<MessageId, const FoundMessage*> on_disk;
    for (const FoundMessage& one : *found) {
      on_disk[one.message.id] = &one;
      EXPECT_TRUE(messages_.contains(one.message.id)) << "a message came from nowhere";
    }
    std::uint64_t due = 0;
    std::erase_if(messages_, [&](const auto& one) {
      return one.second.possible_only && !on_disk.contains(one.first);
    });
    for (auto& [id, message] : messages_) {
      message.possible_only = false;
      message.answered = true;
      const auto at = on_disk.find(id);
      for (auto& [number, delivery] : message.deliveries) {
        const State actual = actual_state(at == on_disk.end() ? nullptr : at->second, number);
        late_ends(delivery);
        narrow(delivery, actual, id, number);
        const bool is_due = !actual.recipients.empty() && actual.due <= world_.clock.wall();
        if (actual.due == kHeld && !actual.recipients.empty()) delivery.hold_asked = false;
        const bool may_go =
            is_due &&
            !suspended_.contains(actual.recipients[0].substr(actual.recipients[0].find('@') + 1));
        if (may_go && !delivery.leased) ++due;
      }
    }
    const Stats stats = world_.core->stats();
    EXPECT_EQ(stats.messages, on_disk.size());
    // Nothing is on its way: what the limits see is what is on disk.
    EXPECT_EQ(world_.core->admitted_messages, on_disk.size());
    std::map<std::string, std::uint64_t> of_tenant;
    for (const FoundMessage& one : *found) ++of_tenant[one.message.envelope.tenant];
    for (const auto& [tenant, count] : of_tenant) {
      EXPECT_EQ(world_.core->tenants.lock()->admitted(tenant).messages, count) << tenant;
    }
    EXPECT_EQ(world_.core->tenants.lock()->size(), of_tenant.size());
    const bool all_leased = stats.leases >= world_.options.leases_max;
    if (!all_leased && world_.options.leases_per_queue_max > 1000) {
      EXPECT_EQ(due, 0U) << "due, free, and not handed out";
    }
    EXPECT_EQ(stats.leases, held_.size());
    EXPECT_LE(stats.leases, world_.options.leases_max);
  }

  static State actual_state(const FoundMessage* message, std::uint32_t number) {
    State actual;
    if (message == nullptr) return actual;
    for (const FoundDelivery& one : message->deliveries) {
      if (one.number != number) continue;
      for (const auto& recipient : one.record.recipients) {
        actual.recipients.push_back(recipient.address.to_string());
      }
      actual.due = one.record.due;
      actual.attempts = one.record.attempts;
    }
    return actual;
  }

  // What a crash has put off is done when the delivery's turn to be leased comes.
  static void late_ends(ModelDelivery& delivery) {
    State held = delivery.possible.back();
    held.due = kHeld;
    if (delivery.leased || held.recipients.empty()) return;
    if (delivery.hold_asked) add_possible(delivery, held);
    if (delivery.remove_asked) add_possible(delivery, State{});
  }

  void narrow(ModelDelivery& delivery, const State& actual, const MessageId& id,
              std::uint32_t number) {
    bool legal = false;
    for (const State& state : delivery.possible) {
      // An unanswered message's due time is not known to the model.
      legal = legal ||
              (state.recipients == actual.recipients && state.attempts == actual.attempts &&
               (state.due == actual.due || state.attempts == 0 || delivery.possible.size() > 1));
    }
    EXPECT_TRUE(legal) << id.to_string() << " delivery " << number << " has "
                       << actual.recipients.size() << " recipients, attempts " << actual.attempts
                       << "; the model knows " << delivery.possible.size() << " possible, the last "
                       << delivery.possible.back().recipients.size() << " recipients, attempts "
                       << delivery.possible.back().attempts;
    delivery.possible = {actual};
  }

  // Everything that is left is delivered: then the store must be as empty as at first.
  void drain() {
    if (::testing::Test::HasFailure()) return;
    while (!open_.empty()) drop(open_.back());
    settle_and_check();
    for (const std::string& domain : suspended_) {
      EXPECT_TRUE(world_.resume(World::of_domain(domain)));
    }
    suspended_.clear();
    for_matching(World::everything(), [](ModelDelivery& delivery) { delivery.hold_asked = false; });
    world_.release(World::everything());
    for (int round = 0; round < 10'000 && world_.core->stats().messages > 0; ++round) {
      world_.advance(Seconds(200));
      accept_leases();
      while (auto lease = any_lease()) {
        model_of(*lease).leased = false;
        Completion completion;
        completion.fates.assign(lease->recipients().size(), Fate::kDelivered);
        world_.core->finish(std::move(*lease), std::move(completion));
      }
      world_.settle();
    }
    EXPECT_EQ(world_.core->stats().messages, 0U);
    EXPECT_EQ(world_.store.size(), 2U) << "schema and totals are all that may remain";
    EXPECT_EQ(world_.core->index.lock()->held(), 0U);
    EXPECT_EQ(*world_.core->lease_bytes, 0U);
    EXPECT_EQ(world_.core->tenants.lock()->size(), 0U);
  }

  std::mt19937_64 random_;
  World world_;
  std::map<MessageId, ModelMessage> messages_;
  std::set<MessageId> refused_;
  std::vector<std::shared_ptr<ModelOpen>> open_;
  std::set<std::string> suspended_;
  std::vector<Pending> pending_;
  std::vector<Lease> held_;
  std::vector<Lease> returned_;
  bool faulty_ = false;
};

}  // namespace postrider::queue
