// The queue as others see it: its own threads, the real clock, and both stores.
#include "queue/queue.h"

#include <condition_variable>
#include <filesystem>
#include <gtest/gtest.h>
#include <mutex>
#include <set>
#include <thread>

#include "queue/memory_store.h"
#include "queue/rocks_store.h"

namespace postrider::queue {
namespace {

class Collector final : public Consumer {
 public:
  void deliver(std::vector<Lease> fresh) override {
    const std::lock_guard held(mutex_);
    for (Lease& lease : fresh) leases_.push_back(std::move(lease));
    changed_.notify_all();
  }

  // Waits for one; invalid if none comes.
  Lease take() {
    std::unique_lock held(mutex_);
    changed_.wait_for(held, Seconds(30), [this] { return !leases_.empty(); });
    if (leases_.empty()) return {};
    Lease lease = std::move(leases_.front());
    leases_.erase(leases_.begin());
    return lease;
  }

  void drop_all() {
    const std::lock_guard held(mutex_);
    leases_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Lease> leases_;  // guarded by mutex_
};

// A question whose answer comes on another thread.
template <class T>
class Answer {
 public:
  auto callback() {
    return [this](T value) {
      const std::lock_guard held(mutex_);
      value_ = std::move(value);
      changed_.notify_all();
    };
  }

  T wait() {
    std::unique_lock held(mutex_);
    EXPECT_TRUE(changed_.wait_for(held, Seconds(30), [this] { return value_.has_value(); }));
    return std::move(*value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

class QueueTest : public ::testing::TestWithParam<bool> {
 protected:
  QueueTest() {
    std::string name = (std::filesystem::temp_directory_path() / "queue_test.XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    open();
  }

  ~QueueTest() override {
    close();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open() {
    if (GetParam()) {
      RocksOptions rocks;
      rocks.directory = directory_ + "/queue";
      auto opened = open_rocks_store(rocks);
      ASSERT_TRUE(opened) << opened.error().text();
      store_ = std::move(*opened);
    } else if (store_ == nullptr) {
      store_ = std::make_unique<MemoryStore>();
    }
    auto queue = Queue::open(options_, *store_, clock_, random_, registry_, {});
    ASSERT_TRUE(queue) << queue.error().text();
    queue_ = std::move(*queue);
    queue_->start(consumer_);
  }

  void close() {
    if (queue_ == nullptr) return;
    consumer_.drop_all();
    queue_->stop();
    consumer_.drop_all();
    queue_.reset();
    if (GetParam()) store_.reset();
  }

  Submission message(const std::string& to, std::string body = "Hello\r\n") {
    Submission submission;
    submission.id = queue_->next_id();
    submission.envelope.sender = {"a", "example.org"};
    submission.recipients = {{{"b", to}, 0, ""}};
    submission.body = message::Body(std::move(body));
    submission.expires = clock_.wall() + std::chrono::hours(1);
    return submission;
  }

  Refusal submit(Submission submission) {
    Answer<Refusal> answer;
    queue_->submit(std::move(submission), answer.callback());
    return answer.wait();
  }

  Refusal append(OpenBody& body, std::string part) {
    Answer<Refusal> answer;
    body.append(message::Body(std::move(part)), answer.callback());
    return answer.wait();
  }

  // The text of a lease's message, a piece at a time.
  std::string read_pieces(const Lease& lease) {
    std::string text;
    for (std::uint32_t number = 0; number < lease.message().pieces(); ++number) {
      Answer<Result<message::Body>> answer;
      queue_->read_piece(lease, number, answer.callback());
      const auto piece = answer.wait();
      EXPECT_TRUE(piece);
      if (piece) text += piece->to_string();
    }
    return text;
  }

  void finish(Lease lease, Fate fate, Milliseconds again = Milliseconds(0)) {
    Completion completion;
    completion.fates.assign(lease.recipients().size(), fate);
    completion.next_attempt = clock_.wall() + again;
    queue_->finish(std::move(lease), std::move(completion));
  }

  void wait_until_empty() {
    const TimePoint limit = clock_.now() + Seconds(30);
    while (queue_->stats().messages > 0 && clock_.now() < limit) std::this_thread::yield();
    EXPECT_EQ(queue_->stats().messages, 0U);
  }

  std::string directory_;
  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry registry_;
  Options options_;
  Collector consumer_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Queue> queue_;
};

INSTANTIATE_TEST_SUITE_P(Stores, QueueTest, ::testing::Bool(),
                         [](const auto& tested) { return tested.param ? "Rocks" : "Memory"; });

TEST_P(QueueTest, FromSubmissionToDelivery) {
  ASSERT_EQ(submit(message("example.com")), Refusal::kNone);
  Lease lease = consumer_.take();
  ASSERT_TRUE(lease.valid());
  EXPECT_EQ(lease.body()->to_string(), "Hello\r\n");
  finish(std::move(lease), Fate::kDelivered);
  wait_until_empty();
}

TEST_P(QueueTest, ARetryComesByItself) {
  ASSERT_EQ(submit(message("example.com")), Refusal::kNone);
  finish(consumer_.take(), Fate::kDeferred, Milliseconds(20));
  Lease again = consumer_.take();
  ASSERT_TRUE(again.valid());
  EXPECT_EQ(again.attempts(), 1U);
  EXPECT_FALSE(again.body());
  Answer<std::string> body;
  queue_->read_body(std::move(again),
                    [&, answer = body.callback()](Lease lease, Result<void> result) mutable {
                      answer(result ? lease.body()->to_string() : result.error().text());
                      finish(std::move(lease), Fate::kDelivered);
                    });
  EXPECT_EQ(body.wait(), "Hello\r\n");
  wait_until_empty();
}

TEST_P(QueueTest, WhatIsLeftComesBackAfterAStop) {
  std::string large(300'000, 'x');
  for (std::size_t i = 0; i < large.size(); i += 13) large[i] = static_cast<char>('a' + i % 26);
  ASSERT_EQ(submit(message("one.example", large)), Refusal::kNone);
  ASSERT_EQ(submit(message("two.example")), Refusal::kNone);
  close();
  open();
  EXPECT_EQ(queue_->stats().messages, 2U);
  std::set<std::string> domains;
  for (int i = 0; i < 2; ++i) {
    Lease lease = consumer_.take();
    ASSERT_TRUE(lease.valid());
    domains.insert(lease.domain());
    Answer<bool> same;
    const std::string expected = lease.domain() == "one.example" ? large : "Hello\r\n";
    queue_->read_body(std::move(lease),
                      [&, answer = same.callback()](Lease back, Result<void> result) mutable {
                        answer(result && back.body()->to_string() == expected);
                        finish(std::move(back), Fate::kDelivered);
                      });
    EXPECT_TRUE(same.wait());
  }
  EXPECT_EQ(domains.size(), 2U);
  wait_until_empty();
}

TEST_P(QueueTest, ManyThreadsAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 250;
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Submission one = message("d" + std::to_string((i + t) % 5) + ".example");
        queue_->submit(std::move(one), [&](Refusal r) { accepted += r == Refusal::kNone ? 1 : 0; });
      }
    });
  }
  std::set<MessageId> delivered;
  for (int i = 0; i < kThreads * kEach; ++i) {
    Lease lease = consumer_.take();
    ASSERT_TRUE(lease.valid()) << i;
    EXPECT_TRUE(delivered.insert(lease.message().id).second);
    finish(std::move(lease), Fate::kDelivered);
  }
  for (std::thread& thread : threads) thread.join();
  wait_until_empty();
  EXPECT_EQ(accepted, kThreads * kEach);
}

TEST_P(QueueTest, ListsQueuesAndMessages) {
  ASSERT_EQ(submit(message("one.example")), Refusal::kNone);
  ASSERT_EQ(submit(message("two.example")), Refusal::kNone);
  Submission last = message("two.example");
  const MessageId id = last.id;
  ASSERT_EQ(submit(std::move(last)), Refusal::kNone);
  const auto queues = queue_->queues(10);
  ASSERT_EQ(queues.size(), 2U);
  EXPECT_EQ(queues[0].domain, "two.example");
  EXPECT_EQ(queues[0].deliveries, 2U);
  EXPECT_EQ(queues[0].bytes, 14U);
  EXPECT_EQ(queue_->queues(1).size(), 1U);
  Selector selector;
  selector.domain = "two.example";
  EXPECT_EQ(queue_->messages(selector, 10)->messages.size(), 2U);
  EXPECT_EQ(queue_->messages(selector, 1)->messages.size(), 1U);
  const auto one = queue_->message(id);
  ASSERT_TRUE(one && *one);
  EXPECT_TRUE((*one)->deliveries[0].leased);
  EXPECT_FALSE(*queue_->message({1, 2}));
}

TEST_P(QueueTest, ListingAnEmptyQueueHidesNothingThatComes) {
  Selector all;
  all.all = true;
  EXPECT_TRUE(queue_->messages(all, 10)->messages.empty());
  ASSERT_EQ(submit(message("one.example")), Refusal::kNone);
  EXPECT_EQ(queue_->messages(all, 10)->messages.size(), 1U);
}

TEST_P(QueueTest, RemovesByItsOwnThreads) {
  ASSERT_EQ(submit(message("one.example")), Refusal::kNone);
  finish(consumer_.take(), Fate::kDeferred, Milliseconds(3'600'000));
  Selector all;
  all.all = true;
  Answer<Result<std::uint64_t>> answer;
  queue_->remove(all, answer.callback());
  EXPECT_EQ(answer.wait().value_or(99), 1U);
  wait_until_empty();
}

TEST_P(QueueTest, MetricsOutliveIt) {
  ASSERT_EQ(submit(message("one.example")), Refusal::kNone);
  EXPECT_NE(registry_.expose().find("postrider_queue_messages 1"), std::string::npos);
  close();
  EXPECT_FALSE(registry_.expose().empty());
  open();
}

TEST_P(QueueTest, ATextWrittenWhileItArrivesIsThereAfterARestart) {
  std::string text = "Subject: large\r\n\r\n";
  Submission submission = message("example.com", text);
  submission.opened = queue_->open_body(submission.id);
  for (int i = 0; i < 3; ++i) {
    const std::string part = random_.token(5 * OpenBody::kPartUnit);
    ASSERT_EQ(append(submission.opened, part), Refusal::kNone);
    text += part;
  }
  submission.opened.end(message::Body("the end\r\n"));
  text += "the end\r\n";
  EXPECT_EQ(submission.size(), text.size());
  ASSERT_EQ(submit(std::move(submission)), Refusal::kNone);
  finish(consumer_.take(), Fate::kDeferred);
  close();
  open();
  Lease lease = consumer_.take();
  ASSERT_TRUE(lease.valid());
  EXPECT_EQ(lease.message().size, text.size());
  EXPECT_EQ(lease.message().pieces(), 5U);  // front, 15 chunks, and the rest
  EXPECT_TRUE(read_pieces(lease) == text);
  finish(std::move(lease), Fate::kDelivered);
  wait_until_empty();
}

// Bodies that are written from many threads, every third of which is given up with a part under
// way.
TEST_P(QueueTest, ManyTextsAreWrittenAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kBodies = 9;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      SystemRandom random;
      for (int body = 0; body < kBodies; ++body) {
        Submission submission = message("example.com", "front\r\n");
        submission.opened = queue_->open_body(submission.id);
        EXPECT_EQ(append(submission.opened, random.token(OpenBody::kPartUnit)), Refusal::kNone);
        if (body % 3 == 0) {
          Answer<Refusal> answer;
          submission.opened.append(message::Body(random.token(OpenBody::kPartUnit)),
                                   answer.callback());
          submission.opened = {};
          EXPECT_EQ(answer.wait(), Refusal::kNone);
          continue;
        }
        EXPECT_EQ(submit(std::move(submission)), Refusal::kNone);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kThreads * kBodies * 2 / 3; ++i) {
    Lease lease = consumer_.take();
    ASSERT_TRUE(lease.valid());
    EXPECT_EQ(read_pieces(lease).size(), lease.message().size);
    finish(std::move(lease), Fate::kDelivered);
  }
  wait_until_empty();
  EXPECT_EQ(queue_->stats().open_bodies, 0U);
  queue_->stop();
  for (const char of_space : {'b', 'o'}) {
    const std::string lower(1, of_space);
    EXPECT_FALSE(store_->scan(lower, std::string(1, static_cast<char>(of_space + 1)))->valid());
  }
}

}  // namespace
}  // namespace postrider::queue
