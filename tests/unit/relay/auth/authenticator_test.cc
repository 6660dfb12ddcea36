#include "relay/auth/authenticator.h"

#include <atomic>
#include <condition_variable>
#include <future>
#include <gmock/gmock.h>
#include <mutex>
#include <utility>

#include "relay/auth/password.h"

namespace postrider::auth {
namespace {

using testing::Each;
using testing::UnorderedElementsAre;

constexpr auto kHang = std::chrono::seconds(60);  // a bound against hanging, not a delay

class ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return TimePoint(Seconds(seconds.load())); }

  [[nodiscard]] WallTime wall() const override { return WallTime(Seconds(seconds.load())); }

  std::atomic<long> seconds{1000};
};

// Lets a test hold the pool's one thread within the answer to a check.
class Gate {
 public:
  void wait_in_answer() {
    entered_.set_value();
    opened_.wait();
  }

  void wait_until_held() { entered_.get_future().wait(); }

  void open() {
    if (!std::exchange(is_open_, true)) open_.set_value();
  }

 private:
  bool is_open_ = false;
  std::promise<void> entered_;
  std::promise<void> open_;
  std::future<void> opened_ = open_.get_future();
};

class AuthenticatorTest : public testing::Test {
 protected:
  AuthenticatorTest() {
    options_.users = {{"alice", hash_password("sesame").value(), ""},
                      {"bob", "", "plain"},
                      {"carol", "", "sesame"}};
    make();
  }

  // The pool ends before the gate does, and its thread has to come out first.
  ~AuthenticatorTest() override { gate_.open(); }

  void make() { pool_ = std::make_unique<Authenticator>(options_, clock_); }

  std::future<Verdict> begin(const std::string& user, const std::string& password) {
    auto promise = std::make_shared<std::promise<Verdict>>();
    pool_->check(user, password, executor_,
                 [promise](Verdict verdict) { promise->set_value(verdict); });
    return promise->get_future();
  }

  Verdict check(const std::string& user, const std::string& password) {
    auto verdict = begin(user, password);
    if (verdict.wait_for(kHang) != std::future_status::ready) return Verdict::kBusy;
    return verdict.get();
  }

  // Occupies the one thread until the gate opens; once a test.
  void occupy() {
    pool_->check("nobody", "", executor_, [this](Verdict) { gate_.wait_in_answer(); });
    gate_.wait_until_held();
  }

  ManualClock clock_;
  InlineExecutor executor_;
  Options options_;
  Gate gate_;
  std::unique_ptr<Authenticator> pool_;
};

TEST_F(AuthenticatorTest, AcceptsTheRightPassword) {
  EXPECT_EQ(check("alice", "sesame"), Verdict::kAccepted);
  EXPECT_EQ(check("bob", "plain"), Verdict::kAccepted);
}

TEST_F(AuthenticatorTest, RejectsEverythingElse) {
  EXPECT_EQ(check("alice", "Sesame"), Verdict::kRejected);
  EXPECT_EQ(check("alice", ""), Verdict::kRejected);
  EXPECT_EQ(check("bob", "sesame"), Verdict::kRejected);
  EXPECT_EQ(check("bob", ""), Verdict::kRejected);
  EXPECT_EQ(check("Alice", "sesame"), Verdict::kRejected);
  EXPECT_EQ(check("alice ", "sesame"), Verdict::kRejected);
  EXPECT_EQ(check("", ""), Verdict::kRejected);
}

TEST_F(AuthenticatorTest, AnUnknownUserIsRejectedWhateverThePassword) {
  // Whichever user's verifier stands in, one of these matches it.
  for (int i = 0; i < 20; ++i) {
    const std::string name = "stranger" + std::to_string(i);
    EXPECT_EQ(check(name, "sesame"), Verdict::kRejected);
    EXPECT_EQ(check(name, "plain"), Verdict::kRejected);
  }
}

TEST_F(AuthenticatorTest, AnUnknownUserCostsWhatAKnownOneDoes) {
  // Processor time of the whole process, so that a busy machine does not matter much.
  options_.users.resize(1);
  make();
  const auto cost = [&](const std::string& user) {
    const std::clock_t before = std::clock();
    for (int i = 0; i < 3; ++i) check(user, "wrong");
    return static_cast<double>(std::clock() - before);
  };
  const double known = cost("alice");
  const double unknown = cost("mallory");
  EXPECT_GT(unknown, known / 4);
  EXPECT_LT(unknown, known * 4);
}

TEST_F(AuthenticatorTest, AWrongPasswordCallsOffThoseBehindIt) {
  occupy();
  std::atomic<int> wrong{0};
  std::vector<std::future<Verdict>> verdicts;
  for (const char* password : {"guess", "plain", "other guess", "third guess"}) {
    auto promise = std::make_shared<std::promise<Verdict>>();
    verdicts.push_back(promise->get_future());
    pool_->check("bob", password, executor_,
                 [promise](Verdict verdict) { promise->set_value(verdict); },
                 {[&wrong] { return wrong < 2; }, [&wrong] { ++wrong; }});
  }
  gate_.open();
  std::vector<Verdict> seen;
  for (auto& verdict : verdicts) seen.push_back(verdict.get());
  EXPECT_THAT(seen, testing::ElementsAre(Verdict::kRejected, Verdict::kAccepted, Verdict::kRejected,
                                         Verdict::kPutOff));
}

TEST_F(AuthenticatorTest, WhatIsRememberedIsNoTrial) {
  ASSERT_EQ(check("bob", "plain"), Verdict::kAccepted);
  std::promise<Verdict> verdict;
  pool_->check("bob", "plain", executor_, [&](Verdict given) { verdict.set_value(given); },
               {[] { return false; }, {}});
  EXPECT_EQ(verdict.get_future().get(), Verdict::kAccepted);
}

TEST_F(AuthenticatorTest, ThoseThatComeFirstAreCheckedFirst) {
  occupy();
  std::string order;
  std::vector<std::promise<void>> ends(3);
  for (const char name : {'c', 'a', 'b'}) {
    Trial trial;
    trial.comes_first = name != 'c';
    pool_->check(
        "bob", std::string(1, name), executor_,
        [&, name](Verdict) {
          order += name;
          ends[static_cast<std::size_t>(name - 'a')].set_value();
        },
        std::move(trial));
  }
  gate_.open();
  for (auto& end : ends) end.get_future().wait();
  EXPECT_EQ(order, "abc");
}

TEST_F(AuthenticatorTest, OneThatMayNotWaitIsBusy) {
  const auto check = [&](bool may_wait) {
    std::promise<Verdict> verdict;
    Trial trial;
    trial.may_wait = [may_wait] { return may_wait; };
    pool_->check(
        "bob", "plain", executor_, [&](Verdict given) { verdict.set_value(given); },
        std::move(trial));
    return verdict.get_future().get();
  };
  EXPECT_EQ(check(false), Verdict::kBusy);
  EXPECT_EQ(check(true), Verdict::kAccepted);
  EXPECT_EQ(check(false), Verdict::kAccepted);  // remembered: it does not wait
}

TEST_F(AuthenticatorTest, WithoutUsersEverybodyIsRejected) {
  options_.users.clear();
  make();
  EXPECT_EQ(check("alice", "sesame"), Verdict::kRejected);
}

// What was remembered is answered within check() itself, by the inline executor.
TEST_F(AuthenticatorTest, RemembersASuccessForAWhile) {
  ASSERT_EQ(check("alice", "sesame"), Verdict::kAccepted);
  occupy();
  auto again = begin("alice", "sesame");
  EXPECT_EQ(again.wait_for(Seconds(0)), std::future_status::ready);
  clock_.seconds += 60;
  auto late = begin("alice", "sesame");
  EXPECT_EQ(late.wait_for(Seconds(0)), std::future_status::timeout);
  gate_.open();
  EXPECT_EQ(late.get(), Verdict::kAccepted);
}

TEST_F(AuthenticatorTest, ARememberedSuccessHelpsNobodyElse) {
  ASSERT_EQ(check("alice", "sesame"), Verdict::kAccepted);
  EXPECT_EQ(check("bob", "sesame"), Verdict::kRejected);
  EXPECT_EQ(check("mallory", "sesame"), Verdict::kRejected);
  EXPECT_EQ(check("alice", "plain"), Verdict::kRejected);
}

TEST_F(AuthenticatorTest, OtherUsersCountFromNowOn) {
  EXPECT_EQ(check("bob", "plain"), Verdict::kAccepted);
  pool_->set_users({{"bob", "", "changed"}, {"dave", "", "new"}});
  EXPECT_EQ(check("bob", "plain"), Verdict::kRejected);  // though it was remembered
  EXPECT_EQ(check("bob", "changed"), Verdict::kAccepted);
  EXPECT_EQ(check("dave", "new"), Verdict::kAccepted);
  EXPECT_EQ(check("alice", "sesame"), Verdict::kRejected);
  EXPECT_EQ(pool_->users()->size(), 2U);
}

TEST_F(AuthenticatorTest, AFailureIsNotRemembered) {
  ASSERT_EQ(check("alice", "wrong"), Verdict::kRejected);
  occupy();
  auto again = begin("alice", "wrong");
  EXPECT_EQ(again.wait_for(Seconds(0)), std::future_status::timeout);
  gate_.open();
  EXPECT_EQ(again.get(), Verdict::kRejected);
}

TEST_F(AuthenticatorTest, SaysWhenItsQueueIsFull) {
  options_.waiting_max = 2;
  make();
  occupy();
  auto first = begin("bob", "plain");
  auto second = begin("bob", "wrong");
  EXPECT_EQ(check("bob", "plain"), Verdict::kBusy);
  gate_.open();
  EXPECT_EQ(first.get(), Verdict::kAccepted);
  EXPECT_EQ(second.get(), Verdict::kRejected);
  EXPECT_EQ(check("bob", "plain"), Verdict::kAccepted);
}

TEST_F(AuthenticatorTest, WhoIsRememberedGetsInWhileTheQueueIsFull) {
  options_.waiting_max = 0;
  make();
  EXPECT_EQ(check("alice", "sesame"), Verdict::kBusy);
  options_.waiting_max = 1;
  make();
  ASSERT_EQ(check("alice", "sesame"), Verdict::kAccepted);
  occupy();
  auto waiting = begin("bob", "wrong");
  EXPECT_EQ(check("bob", "wrong"), Verdict::kBusy);
  EXPECT_EQ(check("alice", "sesame"), Verdict::kAccepted);
  gate_.open();
}

TEST_F(AuthenticatorTest, ManyChecksOfOnePasswordCostOneHash) {
  occupy();
  std::vector<std::future<Verdict>> verdicts;
  for (int i = 0; i < 500; ++i) verdicts.push_back(begin("alice", "sesame"));
  const std::clock_t before = std::clock();
  gate_.open();
  for (auto& verdict : verdicts) ASSERT_EQ(verdict.get(), Verdict::kAccepted);
  const double all = static_cast<double>(std::clock() - before);
  const std::clock_t one_before = std::clock();
  check("alice", "wrong");
  const double one = static_cast<double>(std::clock() - one_before);
  EXPECT_LT(all, one * 50);
}

TEST_F(AuthenticatorTest, AnswersEachCheckOnceWithManyThreads) {
  options_.threads = 4;
  make();
  std::vector<std::future<Verdict>> right;
  std::vector<std::future<Verdict>> wrong;
  for (int i = 0; i < 200; ++i) {
    right.push_back(begin("bob", "plain"));
    wrong.push_back(begin("bob", "wrong" + std::to_string(i)));
  }
  for (auto& verdict : right) EXPECT_EQ(verdict.get(), Verdict::kAccepted);
  for (auto& verdict : wrong) EXPECT_EQ(verdict.get(), Verdict::kRejected);
}

TEST_F(AuthenticatorTest, NoThreadsMeansOne) {
  options_.threads = 0;
  make();
  EXPECT_EQ(check("bob", "plain"), Verdict::kAccepted);
}

TEST_F(AuthenticatorTest, EndingAnswersWhatWaitsAndFinishesWhatRuns) {
  occupy();
  std::vector<std::future<Verdict>> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(begin("bob", "plain"));
  // The end waits for the thread; what waits is answered before.
  std::thread ending([&] { pool_.reset(); });
  for (auto& verdict : waiting) {
    ASSERT_EQ(verdict.wait_for(kHang), std::future_status::ready);
    EXPECT_EQ(verdict.get(), Verdict::kBusy);
  }
  gate_.open();
  ending.join();
}

TEST_F(AuthenticatorTest, RepliesThroughTheExecutor) {
  class Collector final : public Executor {
   public:
    void post(Task task) override {
      const std::lock_guard lock(mutex);
      tasks.push_back(std::move(task));
      changed.notify_all();
    }

    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Task> tasks;
  } collector;

  std::optional<Verdict> verdict;
  pool_->check("bob", "plain", collector, [&](Verdict given) { verdict = given; });
  std::unique_lock lock(collector.mutex);
  ASSERT_TRUE(collector.changed.wait_for(lock, kHang, [&] { return !collector.tasks.empty(); }));
  EXPECT_FALSE(verdict);
  collector.tasks.front()();
  EXPECT_EQ(verdict, Verdict::kAccepted);
}

}  // namespace
}  // namespace postrider::auth
