#include "bench/load/load_run.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include "bench/load/load_worker.h"

namespace postrider::bench {

namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

using Workers = std::vector<std::unique_ptr<LoadWorker>>;

Result<Workers> make_workers(const LoadParts& parts, std::uint64_t seed,
                             std::atomic<std::uint64_t>& last_number) {
  const LoadOptions& options = parts.options;
  const std::uint64_t count = std::min(options.threads, options.sessions);
  Dice dice(seed);
  Workers workers;
  for (std::uint64_t i = 0; i < count; ++i) {
    LoadWorker::Share share;
    // The first ones take what does not divide.
    share.sessions = options.sessions / count + (i < options.sessions % count ? 1 : 0);
    share.rate = static_cast<double>(options.rate) / static_cast<double>(count);
    share.seed = dice.roll();
    auto worker = LoadWorker::create(parts, share, last_number);
    if (!worker) return failure(worker.error());
    workers.push_back(*std::move(worker));
  }
  return workers;
}

void run_all(const Workers& workers) {
  std::vector<std::thread> threads;
  threads.reserve(workers.size());
  for (const auto& worker : workers) {
    threads.emplace_back([raw = worker.get()] { raw->run(); });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

double LoadResult::per_second() const {
  return seconds > 0 ? static_cast<double>(tally.accepted) / seconds : 0.0;
}

Result<LoadResult> run_load(const LoadOptions& options) {
  if (options.sizes.empty() || options.domains.empty()) {
    return failure("a load needs a size and a domain to write to");
  }
  std::uint64_t largest = 0;
  options.sizes.each([&](std::uint64_t size) { largest = std::max(largest, size); });
  const std::uint64_t seed = std::hash<std::string>()(options.run);
  const ContentPool pool(largest, seed);
  std::optional<TlsContext> tls;
  if (options.tls != TlsUse::kNone) {
    auto context = TlsContext::client();
    if (!context) return failure(context.error());
    tls.emplace(*std::move(context));
  }
  std::unique_ptr<IdFile> ids;
  if (!options.ids_file.empty()) {
    auto file = IdFile::open(options.ids_file);
    if (!file) return failure(file.error());
    ids = *std::move(file);
  }
  std::atomic<std::uint64_t> last_number{0};
  const LoadParts parts{options, pool, tls ? &*tls : nullptr, ids.get()};
  auto workers = make_workers(parts, seed, last_number);
  if (!workers) return failure(workers.error());

  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  run_all(*workers);
  ::getrusage(RUSAGE_SELF, &after);

  LoadResult result;
  TimePoint began = TimePoint::max();
  TimePoint ended = TimePoint::min();
  for (const auto& worker : *workers) {
    result.tally.merge(worker->tally());
    result.timed_out = result.timed_out || worker->timed_out();
    began = std::min(began, worker->began());
    ended = std::max(ended, worker->ended());
  }
  result.seconds = std::chrono::duration<double>(ended - began).count();
  result.cpu_user = seconds_of(after.ru_utime) - seconds_of(before.ru_utime);
  result.cpu_system = seconds_of(after.ru_stime) - seconds_of(before.ru_stime);
  return result;
}

}  // namespace postrider::bench
