// queue_depth: what a deep queue costs, one question a run, on a queue that `fill` has made:
//
//   queue_depth fill DIR MESSAGES QUEUES SIZE   messages of SIZE octets in so many queues, each
//   tried
//                                               once and deferred; then kill -9 under load
//   queue_depth start DIR      how long until it is open, and until the first delivery that is due
//   queue_depth accept DIR     how fast 20 sessions are answered, 4 KiB, everything delivered
//   queue_depth pop DIR        how fast 20,000 other messages that fall due are handed out
//   queue_depth idle DIR       what it takes with nothing due
//   queue_depth drain DIR      what is left on disk when everything has been removed
//
// Prints a line "name value" for each figure. Exit status: 0, 1 it did not work, 2 wrong usage.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

#include "bench/queue/rig.h"
#include "bench/queue/sync_probe.h"
#include "relay/base/log.h"

namespace postrider::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kDueAtOnce = 1000;  // of the messages that fill() leaves
constexpr std::size_t kFillers = 2000;      // sessions that fill it
constexpr std::size_t kClients = 20;
constexpr std::size_t kUsualSize = 4096;

void print(const char* name, double value) {
  std::printf("%s %.3f\n", name, value);
  std::fflush(stdout);
}

double seconds_since(steady_clock::time_point then) {
  return std::chrono::duration<double>(steady_clock::now() - then).count();
}

std::string name_of_queue(const char* kind, std::uint64_t number) {
  return kind + std::to_string(number) + ".example";
}

std::uint64_t octets_in(const std::string& directory) {
  std::uint64_t octets = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) octets += entry.file_size();
  }
  return octets;
}

// As after a start of the machine.
void forget_cached(const std::string& directory) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    ::fdatasync(file);  // what is not written yet cannot be forgotten
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    ::close(file);
  }
}

void wait_for_deferrals(Rig& rig, std::uint64_t messages) {
  while (rig.queue->stats().leases > 0 || rig.finisher.taken < messages) {
    std::this_thread::sleep_for(milliseconds(10));
  }
}

// Until compaction has come to rest; the octets on disk then.
std::uint64_t wait_for_rest(const std::string& directory) {
  std::uint64_t before = 0;
  for (std::uint64_t now = octets_in(directory); now != before; now = octets_in(directory)) {
    before = now;
    std::this_thread::sleep_for(std::chrono::seconds(5));
  }
  return before;
}

int fill(const std::string& directory, std::uint64_t messages, std::uint64_t queues,
         std::size_t size) {
  Rig rig(directory);
  const std::uint64_t resident = resident_kib();
  const WallTime soon = rig.clock.wall() + Milliseconds(1);
  const WallTime later = rig.clock.wall() + std::chrono::hours(2);
  std::atomic<std::uint64_t> deferred{0};
  rig.finisher.act = [&](queue::Queue& queue, queue::Lease lease) {
    if (lease.domain().starts_with("load")) return Finisher::delivered(queue, std::move(lease));
    // Spread over an hour, as retries are.
    const std::uint64_t number = deferred++;
    Finisher::deferred(queue, std::move(lease),
                       later + Milliseconds(static_cast<std::int64_t>(number * 7919 % 3'600'000)));
  };
  rig.queue->start(rig.finisher);
  const auto texts = random_texts(size);
  const auto began = steady_clock::now();
  Sessions fillers(*rig.queue, [&](std::uint64_t number) {
    return rig.message(name_of_queue("d", number % queues), texts[number % texts.size()]);
  });
  if (fillers.run(kFillers, messages, std::chrono::hours(2)) != messages) return 1;
  wait_for_deferrals(rig, messages);
  print("fill_per_second", static_cast<double>(messages) / seconds_since(began));
  const std::uint64_t octets = wait_for_rest(directory);
  print("disk_per_message", static_cast<double>(octets) / static_cast<double>(messages));
  print("resident_growth_mib", static_cast<double>(resident_kib() - resident) / 1024);
  // Those that the next start finds due; then the kill comes in the middle of other mail.
  rig.queue->stop_leasing();
  Sessions due(*rig.queue, [&](std::uint64_t number) {
    auto submission = rig.message(name_of_queue("d", number % queues), texts[0]);
    submission.not_before = soon;
    return submission;
  });
  if (due.run(kClients, kDueAtOnce, std::chrono::minutes(10)) != kDueAtOnce) return 1;
  const std::thread killer([] {
    std::this_thread::sleep_for(milliseconds(500));
    ::kill(::getpid(), SIGKILL);
  });
  Sessions load(*rig.queue, [&](std::uint64_t number) {
    return rig.message(name_of_queue("load", number % 100), texts[0]);
  });
  load.run(kClients, kNoLimit, std::chrono::seconds(10));
  return 1;
}

int start(const std::string& directory) {
  forget_cached(directory);
  const auto began = steady_clock::now();
  Rig rig(directory);
  print("open_seconds", seconds_since(began));
  print("open_cpu_seconds", cpu_seconds());
  std::atomic<bool> first{true};
  std::atomic<double> found{0};
  rig.finisher.act = [&](queue::Queue& queue, queue::Lease lease) {
    if (first.exchange(false)) found = seconds_since(began);
    Finisher::delivered(queue, std::move(lease));
  };
  rig.queue->start(rig.finisher);
  const auto limit = steady_clock::now() + std::chrono::minutes(2);
  while (found == 0 && steady_clock::now() < limit) std::this_thread::sleep_for(milliseconds(1));
  print("first_due_seconds", found);
  while (rig.finisher.taken < kDueAtOnce && steady_clock::now() < limit) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  print("thousand_due_seconds", seconds_since(began));
  std::this_thread::sleep_for(std::chrono::seconds(1));
  print("resident_mib", static_cast<double>(resident_kib()) / 1024);
  print("messages", static_cast<double>(rig.queue->stats().messages));
  print("queues", static_cast<double>(rig.queue->stats().queues));
  return found > 0 ? 0 : 1;
}

int accept(const std::string& directory) {
  Rig rig(directory);
  rig.queue->start(rig.finisher);
  const auto texts = random_texts(kUsualSize);
  Sessions clients(*rig.queue, [&](std::uint64_t number) {
    return rig.message(name_of_queue("load", number % 100), texts[number % texts.size()]);
  });
  clients.run(kClients, kNoLimit, milliseconds(1000));
  const double cpu = cpu_seconds();
  const auto began = steady_clock::now();
  const std::uint64_t before = syncs();
  const auto count = static_cast<double>(clients.run(kClients, kNoLimit, std::chrono::seconds(5)));
  print("accepted_per_second", count / seconds_since(began));
  print("cpu_us_per_message", (cpu_seconds() - cpu) * 1e6 / count);
  print("syncs_per_1000", static_cast<double>(syncs() - before) * 1000 / count);
  return clients.refused() == 0 ? 0 : 1;
}

int pop(const std::string& directory) {
  constexpr std::uint64_t kDue = 20'000;
  Rig rig(directory);
  rig.queue->suspend({}, [](const Result<std::uint64_t>&) {});
  rig.queue->start(rig.finisher);
  const auto texts = random_texts(256);
  Sessions due(*rig.queue, [&](std::uint64_t number) {
    return rig.message(name_of_queue("load", number % 100), texts[number % texts.size()]);
  });
  if (due.run(kFillers, kDue, std::chrono::minutes(5)) != kDue) return 1;
  const auto began = steady_clock::now();
  rig.queue->resume({}, [](const Result<std::uint64_t>&) {});
  const auto limit = began + std::chrono::minutes(2);
  while (rig.finisher.taken < kDue && steady_clock::now() < limit) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  print("popped_per_second", static_cast<double>(rig.finisher.taken) / seconds_since(began));
  return rig.finisher.taken >= kDue ? 0 : 1;
}

int idle(const std::string& directory) {
  Rig rig(directory);
  rig.queue->start(rig.finisher);
  // What the start and the runs before it set going ends first.
  std::this_thread::sleep_for(std::chrono::seconds(10));
  wait_for_rest(directory);
  const double cpu = cpu_seconds();
  const auto began = steady_clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(20));
  print("idle_cpu_percent", (cpu_seconds() - cpu) * 100 / seconds_since(began));
  return 0;
}

int drain(const std::string& directory) {
  Rig rig(directory);
  rig.queue->start(rig.finisher);
  queue::Selector all;
  all.all = true;
  std::atomic<bool> answered{false};
  const auto began = steady_clock::now();
  rig.queue->remove(all, [&](const Result<std::uint64_t>&) { answered = true; });
  while (!answered) std::this_thread::sleep_for(milliseconds(10));
  print("removed_seconds", seconds_since(began));
  // Given back when the queue is idle.
  const auto limit = steady_clock::now() + std::chrono::minutes(1);
  while (octets_in(directory) > (100U << 20) && steady_clock::now() < limit) {
    std::this_thread::sleep_for(milliseconds(200));
  }
  print("left_mib", static_cast<double>(octets_in(directory)) / (1 << 20));
  return 0;
}

int run(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const std::string directory = argc > 2 ? argv[2] : "";
  if (what == "fill" && argc == 6) {
    return fill(directory, std::strtoull(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10),
                std::strtoull(argv[5], nullptr, 10));
  }
  if (argc == 3 && what == "start") return start(directory);
  if (argc == 3 && what == "accept") return accept(directory);
  if (argc == 3 && what == "pop") return pop(directory);
  if (argc == 3 && what == "idle") return idle(directory);
  if (argc == 3 && what == "drain") return drain(directory);
  std::fprintf(stderr,
               "queue_depth fill DIR MESSAGES QUEUES SIZE\n"
               "queue_depth start|accept|pop|idle|drain DIR\n");
  return 2;
}

}  // namespace
}  // namespace postrider::bench

int main(int argc, char** argv) {
  postrider::log::set_level(postrider::log::Level::kError);
  return postrider::bench::run(argc, argv);
}
