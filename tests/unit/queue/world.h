// World: a queue over a memory store, with a clock and threads that the test moves by hand, so that
// what happens follows from the seed alone. A small language for the cases.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/committer.h"
#include "queue/core.h"
#include "queue/memory_store.h"
#include "queue/reader.h"
#include "queue/recovery.h"
#include "queue/selection.h"
#include "queue/tenant_recovery.h"

namespace postrider::queue {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return TimePoint(elapsed_); }

  [[nodiscard]] WallTime wall() const override {
    return WallTime(Milliseconds(1'700'000'000'000)) +
           std::chrono::duration_cast<Milliseconds>(elapsed_);
  }

  void advance(Duration duration) { elapsed_ += duration; }

 private:
  Duration elapsed_ = Seconds(1000);
};

class World : public Consumer {
 public:
  explicit World(Options wanted = {}, std::uint64_t seed = 1) : options(wanted), random(seed) {
    open();
  }

  ~World() override { close(); }

  static constexpr std::size_t kEmptyStore = 2;  // keys: schema and totals

  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void deliver(std::vector<Lease> fresh) override {
    for (Lease& lease : fresh) leases.push_back(std::move(lease));
  }

  // --- life and death ---
  void open() {
    ASSERT_EQ(core, nullptr);
    // A new process opens the store anew: what the last one's failed write forbade is over.
    ASSERT_TRUE(store.reopen());
    const auto removed = [](const Message&, const std::vector<message::Recipient>& recipients) {
      std::string lines;
      for (const message::Recipient& recipient : recipients) {
        lines += "removed " + recipient.address.to_string() + "\n";
      }
      return lines;
    };
    const auto recovered = recover(store, [&](const Totals& totals) -> Core& {
      core = std::make_unique<Core>(
          options, store, clock, random, registry,
          [this](std::string_view lines) { events += lines; }, removed, totals);
      return *core;
    });
    ASSERT_TRUE(recovered) << recovered.error().text();
    core->consumer = this;
    committer = std::make_unique<Committer>(*core);
    reader = std::make_unique<Reader>(*core);
  }

  // A clean stop.
  void close() {
    if (core == nullptr) return;
    core->stop_leasing();
    reader->close();
    leases.clear();
    committer->finish_all();
    committer.reset();
    reader.reset();
    core.reset();
  }

  // The process dies: what waits is never done.
  void kill() {
    leases.clear();
    committer.reset();
    reader.reset();
    while (true) {
      std::vector<Operation> lost;
      core->waiting.lock()->operations.swap(lost);
      if (lost.empty()) break;
    }
    // Memory goes with the process: whoever still holds something holds it no more.
    *core->index.lock() = DueIndex({1, 1});
    core.reset();
  }

  void lose_power() {
    kill();
    store.lose_power();
  }

  // --- one turn of everything until nothing is left to do now ---
  void settle() {
    for (int i = 0; i < 100'000; ++i) {
      const bool committed = committer->step();
      const bool read = reader->step();
      if (!committed && !read) return;
    }
    FAIL() << "the queue never comes to rest";
  }

  void advance(Duration duration) {
    clock.advance(duration);
    settle();
  }

  // --- words ---
  Submission message(const std::vector<std::string>& recipients, std::string body = "Hello\r\n",
                     const std::string& sender = "a@example.org") {
    Submission submission;
    submission.id = core->ids.next();
    submission.envelope.sender = address(sender);
    for (const std::string& one : recipients) {
      submission.recipients.push_back({address(one), 0, ""});
    }
    if (!body.empty()) submission.body = message::Body(std::move(body));
    submission.expires = clock.wall() + std::chrono::hours(120);
    return submission;
  }

  // Submits and settles; what it was answered.
  Refusal submit(Submission submission) {
    std::optional<Refusal> answer;
    core->submit(std::move(submission), [&answer](Refusal refusal) { answer = refusal; });
    settle();
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(Refusal::kBusy);
  }

  Refusal submit(const std::vector<std::string>& recipients, std::string body = "Hello\r\n") {
    return submit(message(recipients, std::move(body)));
  }

  OpenBody open_body(const MessageId& id) const { return OpenBodyParts::make(*core, id); }

  // Appends and settles; what it was answered.
  Refusal append(OpenBody& body, std::string part) {
    std::optional<Refusal> answer;
    body.append(message::Body(std::move(part)), [&answer](Refusal refusal) { answer = refusal; });
    settle();
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(Refusal::kBusy);
  }

  // A message whose text is `front`, so many parts of a chunk each, and `rest`; it is in `text`.
  Submission large_message(std::string& text, std::size_t parts, std::string rest = "end\r\n",
                           std::string front = "Subject: x\r\n\r\n") {
    Submission submission = message({"b@example.com"}, front);
    submission.opened = open_body(submission.id);
    text = std::move(front);
    for (std::size_t i = 0; i < parts; ++i) {
      const std::string part = random.token(OpenBody::kPartUnit);
      EXPECT_EQ(append(submission.opened, part), Refusal::kNone);
      text += part;
    }
    text += rest;
    submission.opened.end(message::Body(std::move(rest)));
    return submission;
  }

  // The text of a lease's message, a piece at a time.
  std::string read_pieces(const Lease& lease) {
    std::string text;
    for (std::uint32_t number = 0; number < lease.message().pieces(); ++number) {
      core->read_piece(lease, number, [&text](const Result<message::Body>& piece) {
        EXPECT_TRUE(piece) << piece.error().text();
        if (piece) text += piece->to_string();
      });
      settle();
    }
    return text;
  }

  // And read whole; the lease is in `lease` again.
  std::string read_whole(Lease& lease) {
    std::string text;
    core->read_body(std::move(lease), [&](Lease back, Result<void> read) {
      EXPECT_TRUE(read) << read.error().text();
      if (read) text = back.body()->to_string();
      lease = std::move(back);
    });
    settle();
    return text;
  }

  // The oldest lease that was handed out.
  Lease take() {
    EXPECT_FALSE(leases.empty());
    if (leases.empty()) return {};
    Lease lease = std::move(leases.front());
    leases.erase(leases.begin());
    return lease;
  }

  void finish(Lease lease, Fate fate, Duration again = std::chrono::minutes(5)) {
    Completion completion;
    completion.fates.assign(lease.recipients().size(), fate);
    completion.next_attempt = clock.wall() + std::chrono::duration_cast<Milliseconds>(again);
    if (fate == Fate::kDeferred) completion.status = {451, {4, 3, 0}, "later"};
    core->finish(std::move(lease), std::move(completion));
    settle();
  }

  std::uint64_t run_job(AdminOp::Kind kind, Selector selector) {
    std::optional<std::uint64_t> matched;
    core->start_job(kind, std::move(selector), [&matched](Result<std::uint64_t> result) {
      if (result) matched = *result;
    });
    settle();
    EXPECT_TRUE(matched.has_value());
    return matched.value_or(0);
  }

  std::uint64_t remove(Selector selector) {
    return run_job(AdminOp::Kind::kRemove, std::move(selector));
  }

  std::uint64_t retry_now(Selector selector) {
    return run_job(AdminOp::Kind::kRetryNow, std::move(selector));
  }

  std::uint64_t hold(Selector selector) {
    return run_job(AdminOp::Kind::kHold, std::move(selector));
  }

  std::uint64_t release(Selector selector) {
    return run_job(AdminOp::Kind::kRelease, std::move(selector));
  }

  // Whether that was done.
  bool suspend(const Suspension& suspension) { return run_suspend(suspension, true); }

  bool resume(const Suspension& suspension) { return run_suspend(suspension, false); }

  bool run_suspend(const Suspension& suspension, bool begins) {
    std::optional<bool> done;
    core->enqueue(SuspendOp{suspension, begins, [&done](Result<std::uint64_t> result) {
                              done = result && *result == 1;
                            }});
    settle();
    EXPECT_TRUE(done.has_value());
    return done.value_or(false);
  }

  static Suspension of_domain(const std::string& domain, const std::string& reason = "") {
    return {domain, "", "", reason, std::nullopt};
  }

  static Selector everything() {
    Selector selector;
    selector.all = true;
    return selector;
  }

  // Fails the nth call of this kind from now on, or every one from then on.
  void fail(std::string_view call, int nth = 1, bool forever = false) {
    auto count = std::make_shared<int>(0);
    store.set_fault([=, name = std::string(call)](std::string_view made, std::uint64_t) {
      if (made != name) return false;
      ++*count;
      return forever ? *count >= nth : *count == nth;
    });
  }

  void repair_store() { store.set_fault({}); }

  static message::Address address(const std::string& text) {
    const std::size_t at = text.find('@');
    if (at == std::string::npos) return {};
    return {text.substr(0, at), text.substr(at + 1)};
  }

  Options options;
  MemoryStore store;
  ManualClock clock;
  SeededRandom random;
  metrics::Registry registry;
  std::string events;
  std::vector<Lease> leases;  // handed out and not taken by the test
  std::unique_ptr<Core> core;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<Reader> reader;
};

}  // namespace postrider::queue
