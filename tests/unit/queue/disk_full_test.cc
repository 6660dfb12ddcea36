// The queue over RocksDB on a small disk of its own: full, empty, full again, of octets and of
// inodes, by its own mail and by others' files; and out of descriptors. Needs the right to mount;
// skipped without.
#include <array>
#include <atomic>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <random>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>

#include "queue/keys.h"
#include "queue/queue.h"
#include "queue/record.h"
#include "queue/rocks_store.h"
#include "relay/base/guarded.h"
#include "relay/base/log.h"

namespace postrider::queue {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1U << 20;
constexpr Seconds kHang{60};

// A file system in memory that is gone with the process: reached through a descriptor alone.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& options) {
    std::string name = (fs::temp_directory_path() / "small_disk.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) return;
    if (::mount("none", name.c_str(), "tmpfs", 0, options.c_str()) == 0) {
      root_ = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      ::umount2(name.c_str(), MNT_DETACH);
    }
    fs::remove(name);
  }

  ~SmallDisk() {
    if (root_ >= 0) ::close(root_);
  }

  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool mounted() const { return root_ >= 0; }

  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(root_); }

  [[nodiscard]] std::uint64_t free() const {
    struct statvfs disk {};

    ::fstatvfs(root_, &disk);
    return disk.f_bavail * disk.f_frsize;
  }

 private:
  int root_ = -1;
};

// A queue with a consumer that keeps its leases until told what to do with them.
class Relay : public Consumer {
 public:
  Relay(const SmallDisk& disk, std::uint64_t reserve) {
    options_.disk_reserve = reserve;
    rocks_.directory = disk.path() + "/queue";
    open();
  }

  ~Relay() override { close(); }

  void open() {
    auto store = open_rocks_store(rocks_);
    ASSERT_TRUE(store) << store.error().text();
    store_ = std::move(*store);
    registry_ = std::make_unique<metrics::Registry>();
    auto queue = Queue::open(options_, *store_, clock_, random_, *registry_, {});
    ASSERT_TRUE(queue) << queue.error().text();
    queue_ = std::move(*queue);
    queue_->start(*this);
  }

  void close() {
    if (!queue_) return;
    queue_->stop_leasing();
    take();
    queue_->stop();
    take();
    queue_.reset();
    store_.reset();
  }

  void deliver(std::vector<Lease> leases) override {
    const std::lock_guard held(mutex_);
    for (Lease& lease : leases) leases_.push_back(std::move(lease));
  }

  std::deque<Lease> take() {
    const std::lock_guard held(mutex_);
    return std::exchange(leases_, {});
  }

  // Submits a few at once and waits for the answers; how many were taken.
  int submit_some(int count) {
    std::atomic<int> waiting{count};
    std::atomic<int> taken{0};
    for (int i = 0; i < count; ++i) {
      Submission submission;
      submission.id = queue_->next_id();
      const MessageId id = submission.id;
      submission.envelope.sender = {"a", "example.org"};
      submission.recipients = {{{"b", "d" + std::to_string(i) + ".example"}, 0, ""}};
      submission.body = message::Body(body_of(id));
      submission.expires = clock_.wall() + std::chrono::hours(1);
      queue_->submit(std::move(submission), [&, id](Refusal refusal) {
        ++refusals_[static_cast<std::size_t>(refusal)];
        if (refusal == Refusal::kNone) {
          const std::lock_guard held(mutex_);
          acknowledged_[id] = true;
          ++taken;
        }
        --waiting;
      });
    }
    while (waiting > 0) std::this_thread::yield();
    return taken;
  }

  static std::string body_of(const MessageId& id) {
    SeededRandom random(id.low);
    return random.token(random.below(10) == 0 ? random.below(300'000) : random.below(8192));
  }

  // Ends what is leased at a time when that may fail: then it is due again.
  void end_while_full() {
    for (Lease& lease : take()) {
      acknowledged_.erase(lease.message().id);
      perhaps_[lease.message().id] = true;
      Completion completion;
      completion.fates = {Fate::kDelivered};
      queue_->finish(std::move(lease), std::move(completion));
    }
  }

  // Ends what is leased: all but every nth, which waits an hour.
  void drain(int keep_every) {
    const TimePoint limit = clock_.now() + kHang;
    while (queue_->stats().messages > kept_ && clock_.now() < limit) {
      for (Lease& lease : take()) {
        Completion completion;
        const bool keep = ++drained_ % keep_every == 0;
        completion.fates = {keep ? Fate::kDeferred : Fate::kDelivered};
        completion.next_attempt = clock_.wall() + std::chrono::hours(1);
        if (keep) ++kept_;
        acknowledged_.erase(lease.message().id);
        perhaps_.erase(lease.message().id);
        if (keep) acknowledged_[lease.message().id] = true;
        queue_->finish(std::move(lease), std::move(completion));
      }
      std::this_thread::sleep_for(Milliseconds(1));
    }
    EXPECT_LT(clock_.now(), limit) << "not drained: " << queue_->stats().messages << " left";
  }

  template <class Condition>
  bool wait_for(Condition&& condition) {
    const TimePoint limit = clock_.now() + kHang;
    while (!condition()) {
      if (clock_.now() > limit) return false;
      std::this_thread::sleep_for(Milliseconds(5));
    }
    return true;
  }

  // What was acknowledged and has not ended is there, whole, and nothing else is.
  void check() {
    Selector all;
    all.all = true;
    std::vector<MessageSummary> found;
    std::optional<MessageId> from = MessageId();
    while (from) {
      auto page = queue_->messages(all, 1'000'000, *from);
      ASSERT_TRUE(page) << page.error().text();
      std::move(page->messages.begin(), page->messages.end(), std::back_inserter(found));
      from = page->next;
    }
    std::size_t there = 0;
    for (const MessageSummary& one : found) there += acknowledged_.count(one.message.id);
    EXPECT_EQ(there, acknowledged_.size()) << "acknowledged and lost";
    for (const MessageSummary& one : found) {
      const MessageId& id = one.message.id;
      EXPECT_TRUE(acknowledged_.contains(id) || perhaps_.contains(id)) << "came from nowhere";
    }
    EXPECT_EQ(queue_->stats().messages, found.size());
    for (const MessageSummary& one : found) {
      std::string body;
      for (std::uint32_t i = 0; i < layout_of(one.message).chunks(); ++i) {
        const std::string key = body_key(one.message.id, i);
        const auto stored = store_->get(key);
        ASSERT_TRUE(stored && *stored);
        const auto chunk = open_body_chunk(key, **stored);
        ASSERT_TRUE(chunk);
        body += chunk->view();
      }
      EXPECT_EQ(body, body_of(one.message.id));
    }
  }

  [[nodiscard]] std::uint64_t refused(Refusal why) const {
    return refusals_[static_cast<std::size_t>(why)];
  }

  Queue& queue() { return *queue_; }

  double metric(std::string_view name) {
    const std::string text = registry_->expose();
    const std::size_t at = text.find("\n" + std::string(name) + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }

 private:
  Options options_;
  RocksOptions rocks_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<metrics::Registry> registry_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Queue> queue_;
  std::mutex mutex_;
  std::deque<Lease> leases_;                // guarded by mutex_
  std::map<MessageId, bool> acknowledged_;  // and not ended; guarded by mutex_
  std::map<MessageId, bool> perhaps_;       // ended, with the record of it in doubt
  std::array<std::atomic<std::uint64_t>, 9> refusals_{};
  std::uint64_t kept_ = 0;
  int drained_ = 0;
};

class DiskFull : public ::testing::Test {
 protected:
  DiskFull() {
    said().lock()->clear();
    log::set_sink([](std::string_view line) {
      auto held = said().lock();
      if (held->size() == kLinesKept) held->pop_front();
      held->emplace_back(line);
    });
  }

  ~DiskFull() override {
    log::set_sink(nullptr);
    if (!HasFailure()) return;
    for (const std::string& line : *said().lock()) std::printf("%s", line.c_str());
  }

  static constexpr std::size_t kLinesKept = 60;

  // The last lines of the log, for when a case fails.
  static Guarded<std::deque<std::string>>& said() {
    static Guarded<std::deque<std::string>> lines;
    return lines;
  }
};

// Fills the disk with a file but for so many octets.
void leave_free(const SmallDisk& disk, const std::string& file, std::uint64_t octets) {
  std::ofstream ballast(file, std::ios::binary);
  const std::string piece(4096, 'x');
  while (disk.free() > octets && ballast.write(piece.data(), 4096) && ballast.flush()) {
  }
}

constexpr int kRounds = 12;
constexpr std::uint64_t kReserve = 8 * kMiB;

TEST_F(DiskFull, FilledByItsOwnMailItKeepsTheReserve) {
  SmallDisk disk("size=48m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a file system";
  Relay relay(disk, kReserve);
  std::uint64_t least = disk.free();
  int taken = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int refused = 0; refused < 30;) {
      const int more = relay.submit_some(20);
      taken += more;
      refused += more == 0 ? 1 : 0;
      least = std::min(least, disk.free());
      if (more == 0) std::this_thread::sleep_for(Milliseconds(5));
    }
    relay.drain(100);
    // What was delivered gives its space back.
    ASSERT_TRUE(relay.wait_for([&] { return disk.free() > 32 * kMiB; })) << disk.free();
  }
  EXPECT_EQ(relay.metric("postrider_queue_store_errors_total"), 0);
  EXPECT_EQ(relay.refused(Refusal::kStoreFailed), 0U);
  EXPECT_GT(relay.refused(Refusal::kNoSpace), 0U);
  EXPECT_GE(least, kReserve / 4);
  EXPECT_GT(taken, kRounds * 1000);
  std::printf("%d messages taken, at least %llu KiB free\n", taken,
              static_cast<unsigned long long>(least / 1024));
  relay.check();
  relay.close();
  relay.open();
  relay.check();
}

TEST_F(DiskFull, FilledByOthersItComesBack) {
  SmallDisk disk("size=48m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a file system";
  Relay relay(disk, kReserve);
  const std::string ballast = disk.path() + "/ballast";
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<bool> full{false};
    std::thread other([&] {
      std::ofstream file(ballast, std::ios::binary);
      const std::string piece(kMiB / 4, 'x');
      while (disk.free() > 0 && file.write(piece.data(), 256 * 1024) && file.flush()) {
      }
      full = true;
    });
    while (!full) relay.submit_some(20);
    for (int i = 0; i < 20; ++i) relay.submit_some(20);
    other.join();
    ASSERT_TRUE(relay.wait_for([&] { return !relay.queue().health().accepting; }));
    const double errors = relay.metric("postrider_queue_store_errors_total");
    relay.end_while_full();
    relay.submit_some(20);
    if (round % 2 == 0) {  // the store fails, or has recorded them in what was left
      ASSERT_TRUE(relay.wait_for([&] {
        return relay.metric("postrider_queue_store_errors_total") > errors ||
               relay.queue().stats().leases == 0;
      }));
    }
    fs::remove(ballast);
    ASSERT_TRUE(relay.wait_for([&] { return relay.submit_some(20) > 0; }));
    relay.check();
    relay.drain(100);
    ASSERT_TRUE(relay.wait_for([&] { return relay.queue().health().accepting; })) << disk.free();
  }
  EXPECT_GT(relay.metric("postrider_queue_store_reopened_total"), 0);
  relay.close();
  relay.open();
  relay.check();
}

// The logs hold more than what is left, and tables of what they hold have no room.
TEST_F(DiskFull, OpenedOnAFullDiskItRefusesAndComesBack) {
  SmallDisk disk("size=128m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a file system";
  Relay relay(disk, kReserve);
  const std::string ballast = disk.path() + "/ballast";
  for (int round = 0; round < 3; ++round) {
    while (relay.metric("postrider_queue_bytes") < (round + 1) * 3.0 * kMiB) relay.submit_some(20);
    relay.close();
    leave_free(disk, ballast, kMiB / 2);
    relay.open();
    ASSERT_TRUE(relay.wait_for([&] { return !relay.queue().health().accepting; }));
    EXPECT_EQ(relay.submit_some(20), 0);
    EXPECT_GT(relay.refused(Refusal::kNoSpace), 0U);
    relay.check();
    fs::remove(ballast);
    ASSERT_TRUE(relay.wait_for([&] { return relay.submit_some(20) > 0; }));
    relay.check();
  }
  relay.drain(100);
  relay.close();
  relay.open();
  relay.check();
}

TEST_F(DiskFull, WithNothingFreeItSaysWhatToDo) {
  SmallDisk disk("size=16m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a file system";
  leave_free(disk, disk.path() + "/ballast", 0);
  RocksOptions options;
  options.directory = disk.path() + "/queue";
  const auto store = open_rocks_store(options);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().system_code(), ENOSPC);
  for (const char* part : {"give it space", options.directory.c_str()}) {
    EXPECT_NE(store.error().text().find(part), std::string::npos) << store.error().text();
  }
}

TEST_F(DiskFull, WithoutInodesItRefusesAndComesBack) {
  SmallDisk disk("size=96m,nr_inodes=300");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a file system";
  Relay relay(disk, kReserve);
  const std::string others = disk.path() + "/others";
  for (int round = 0; round < kRounds; ++round) {
    fs::create_directory(others);
    for (int i = 0; i < 300; ++i) std::ofstream(others + "/" + std::to_string(i));
    ASSERT_TRUE(relay.wait_for([&] { return !relay.queue().health().accepting; }));
    EXPECT_EQ(relay.submit_some(20), 0);
    fs::remove_all(others);
    ASSERT_TRUE(relay.wait_for([&] { return relay.submit_some(20) > 0; }));
  }
  EXPECT_GT(relay.refused(Refusal::kNoSpace), 0U);
  relay.check();
  relay.drain(10);
  relay.close();
  relay.open();
  relay.check();
}

// The store cannot make its next log or table; when descriptors are there again it is reopened.
TEST_F(DiskFull, OutOfDescriptorsItComesBack) {
  SmallDisk disk("size=96m");
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a file system";
  Relay relay(disk, kReserve);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{1, before.rlim_max};
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const std::uint64_t failed = relay.refused(Refusal::kStoreFailed);
    const bool fails = relay.wait_for([&] {
      relay.submit_some(20);
      relay.end_while_full();
      return relay.refused(Refusal::kStoreFailed) > failed;
    });
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_TRUE(fails);
    ASSERT_TRUE(relay.wait_for([&] { return relay.submit_some(20) > 0; }));
    relay.check();
  }
  relay.drain(10);
  relay.close();
  relay.open();
  relay.check();
}

}  // namespace
}  // namespace postrider::queue
