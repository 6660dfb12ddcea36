// queue_bench: what the queue costs by itself, measured through queue.h over RocksDB: submissions
// with submitters that each wait for their answer, and the rate at which due mail is handed out.
// A sync that takes longer is simulated by sleeping behind the real one.
//
//   queue_bench [--benchmark_filter=submit]     The queue is made in $TMPDIR, or /tmp.
#include <atomic>
#include <benchmark/benchmark.h>
#include <condition_variable>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "metrics/metrics.h"
#include "queue/queue.h"
#include "queue/rocks_store.h"
#include "relay/base/clock.h"
#include "relay/base/log.h"
#include "relay/base/random.h"

namespace postrider::queue {
namespace {

constexpr std::size_t kBodySize = 4096;

// CPU time of all threads, in microseconds.
double cpu_time() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// Makes each sync longer, and counts them.
class SlowStore final : public Store {
 public:
  SlowStore(Store& inner, Milliseconds delay) : inner_(inner), delay_(delay) {}

  std::unique_ptr<Batch> new_batch() override { return inner_.new_batch(); }

  Result<void> write(Batch& batch, bool sync) override {
    Result<void> written = inner_.write(batch, sync);
    if (!sync) return written;
    ++syncs;
    if (delay_.count() > 0) std::this_thread::sleep_for(delay_);
    return written;
  }

  Result<std::optional<Chunk>> get(std::string_view key) override { return inner_.get(key); }

  std::unique_ptr<Cursor> scan(std::string_view lower, std::string_view upper) override {
    return inner_.scan(lower, upper);
  }

  Result<void> reopen() override { return inner_.reopen(); }

  [[nodiscard]] bool was_repaired() const override { return inner_.was_repaired(); }

  Result<void> rebuilt() override { return inner_.rebuilt(); }

  std::optional<Space> space() override { return inner_.space(); }

  bool keep_free(std::uint64_t floor, std::uint64_t live) override {
    return inner_.keep_free(floor, live);
  }

  std::atomic<std::uint64_t> syncs{0};

 private:
  Store& inner_;
  Milliseconds delay_;
};

// Ends or defers everything at once, as `fate` says.
class Finisher final : public Consumer {
 public:
  void deliver(std::vector<Lease> leases) override {
    for (Lease& lease : leases) {
      Completion completion;
      completion.fates.assign(lease.recipients().size(), fate);
      completion.next_attempt = again;
      queue->finish(std::move(lease), std::move(completion));
      ++finished;
    }
  }

  Queue* queue = nullptr;
  Fate fate = Fate::kDelivered;
  WallTime again;
  std::atomic<std::uint64_t> finished{0};
};

// A queue in a directory of its own that goes with it.
class Bench {
 public:
  explicit Bench(Milliseconds delay) {
    std::string name = (std::filesystem::temp_directory_path() / "queue_bench.XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    RocksOptions rocks;
    rocks.directory = directory_ + "/queue";
    inner_ = std::move(*open_rocks_store(rocks));
    store = std::make_unique<SlowStore>(*inner_, delay);
    queue = std::move(*Queue::open({}, *store, clock, random_, registry_, {}));
    finisher.queue = queue.get();
  }

  ~Bench() {
    queue->stop();
    queue.reset();
    store.reset();
    inner_.reset();
    std::filesystem::remove_all(directory_);
  }

  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  Submission message(const std::string& domain, std::size_t size) {
    Submission submission;
    submission.id = queue->next_id();
    submission.envelope.sender = {"a", "example.org"};
    submission.recipients = {{{"b", domain}, 0, ""}};
    submission.body = message::Body(random_.token(size));
    submission.expires = clock.wall() + std::chrono::hours(120);
    return submission;
  }

  SystemClock clock;
  Finisher finisher;
  std::unique_ptr<SlowStore> store;
  std::unique_ptr<Queue> queue;

 private:
  std::string directory_;
  SystemRandom random_;
  metrics::Registry registry_;
  std::unique_ptr<Store> inner_;
};

// Submitters that each have one message under way: the answer to one sends the next. Everything
// is delivered at once, as through a fast destination.
class ClosedLoop {
 public:
  explicit ClosedLoop(Bench& bench) : bench_(bench), text_(std::string(kBodySize, 'x')) {}

  void run(std::size_t submitters, std::uint64_t messages) {
    left_ = messages;
    under_way_ = submitters;
    for (std::size_t i = 0; i < submitters; ++i) next();
    std::unique_lock held(mutex_);
    ended_.wait(held, [this] { return under_way_ == 0; });
  }

  std::atomic<std::uint64_t> refused{0};

 private:
  void next() {
    if (left_.fetch_sub(1) <= 0) {
      const std::lock_guard held(mutex_);
      if (--under_way_ == 0) ended_.notify_all();
      return;
    }
    Submission submission = bench_.message("example.com", 0);
    submission.body = text_;
    bench_.queue->submit(std::move(submission), [this](Refusal refusal) {
      if (refusal != Refusal::kNone) ++refused;
      next();
    });
  }

  Bench& bench_;
  message::Body text_;
  std::atomic<std::int64_t> left_{0};
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t under_way_ = 0;  // guarded by mutex_
};

// Arguments: submitters, milliseconds added to each sync.
void submit(benchmark::State& state) {
  const auto submitters = static_cast<std::size_t>(state.range(0));
  Bench bench{Milliseconds(state.range(1))};
  bench.queue->start(bench.finisher);
  ClosedLoop loop(bench);
  const std::uint64_t messages = 50 * submitters + 500;
  std::uint64_t done = 0;
  const double cpu = cpu_time();
  const std::uint64_t syncs = bench.store->syncs;
  for (auto round : state) {
    loop.run(submitters, messages);
    done += messages;
  }
  if (loop.refused > 0) return state.SkipWithError("a submission was refused");
  const auto count = static_cast<double>(done);
  state.SetItemsProcessed(static_cast<std::int64_t>(done));
  state.counters["cpu_us_per_message"] = (cpu_time() - cpu) / count;
  state.counters["syncs_per_1000"] = static_cast<double>(bench.store->syncs - syncs) * 1000 / count;
}

BENCHMARK(submit)
    ->ArgNames({"submitters", "sync_ms"})
    ->ArgsProduct({{1, 20, 100}, {0, 1, 5}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

// Argument: messages that wait, in 1000 queues, all due at once. Measures how fast the due index
// hands them out while each is deferred for an hour: lease, record, completion.
void pop_due(benchmark::State& state) {
  const auto depth = static_cast<std::uint64_t>(state.range(0));
  Bench bench{Milliseconds(0)};
  bench.finisher.fate = Fate::kDeferred;
  bench.finisher.again = bench.clock.wall() + std::chrono::hours(1);
  bench.queue->start(bench.finisher);
  std::atomic<std::uint64_t> answered{0};
  for (std::uint64_t i = 0; i < depth; ++i) {
    while (i - answered > 5000) std::this_thread::sleep_for(Milliseconds(1));
    bench.queue->submit(bench.message("d" + std::to_string(i % 1000) + ".example", 256),
                        [&answered](Refusal) { ++answered; });
  }
  while (bench.finisher.finished < depth) std::this_thread::sleep_for(Milliseconds(1));
  for (auto round : state) {
    const std::uint64_t before = bench.finisher.finished;
    Selector all;
    all.all = true;
    std::atomic<bool> asked{false};
    bench.queue->retry_now(all, [&asked](const Result<std::uint64_t>&) { asked = true; });
    while (!asked || bench.finisher.finished < before + depth) {
      std::this_thread::sleep_for(Milliseconds(1));
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(depth * state.iterations()));
}

BENCHMARK(pop_due)
    ->ArgName("depth")
    ->Arg(10'000)
    ->Arg(100'000)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

}  // namespace
}  // namespace postrider::queue

int main(int argc, char** argv) {
  postrider::log::set_level(postrider::log::Level::kError);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
