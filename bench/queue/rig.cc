#include "bench/queue/rig.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <unistd.h>

#include "queue/rocks_store.h"

namespace postrider::bench {

namespace {

constexpr std::size_t kWorkers = 2;
constexpr std::size_t kTextsMax = 64;
constexpr std::size_t kTextOctetsMax = 16U << 20;

// The number behind "name:" in a file of /proc.
std::uint64_t number_in(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    std::uint64_t number = 0;
    if (word == name + ":" && in >> number) return number;
  }
  return 0;
}

template <class T>
T opened(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().text().c_str());
  std::exit(1);
}

}  // namespace

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::uint64_t octets_written() {
  return number_in("/proc/self/io", "write_bytes");
}

std::uint64_t resident_kib() {
  return number_in("/proc/self/status", "VmRSS");
}

void Finisher::deliver(std::vector<queue::Lease> leases) {
  taken += leases.size();
  for (queue::Lease& lease : leases) act(*queue, std::move(lease));
}

void Finisher::delivered(queue::Queue& queue, queue::Lease lease) {
  queue::Completion completion;
  completion.fates.assign(lease.recipients().size(), queue::Fate::kDelivered);
  queue.finish(std::move(lease), std::move(completion));
}

void Finisher::deferred(queue::Queue& queue, queue::Lease lease, WallTime again) {
  queue::Completion completion;
  completion.fates.assign(lease.recipients().size(), queue::Fate::kDeferred);
  completion.next_attempt = again;
  completion.status = {451, {4, 7, 1}, "Greylisted, please try again later"};
  queue.finish(std::move(lease), std::move(completion));
}

Rig::Rig(const std::string& directory) {
  queue::RocksOptions rocks;
  rocks.directory = directory;
  store_ = opened(queue::open_rocks_store(rocks));
  queue = opened(queue::Queue::open({}, *store_, clock, random_, registry_, {}));
  finisher.queue = queue.get();
}

Rig::~Rig() {
  queue->stop();
}

queue::Submission Rig::message(const std::string& domain, message::Body body) {
  queue::Submission submission;
  submission.id = queue->next_id();
  submission.envelope.sender = {"news", "example.org"};
  submission.recipients = {{{"someone", domain}, 0, ""}};
  submission.body = std::move(body);
  submission.expires = clock.wall() + std::chrono::hours(120);
  return submission;
}

std::vector<message::Body> random_texts(std::size_t size) {
  SeededRandom random(size);
  std::vector<message::Body> texts(
      std::clamp<std::size_t>(kTextOctetsMax / std::max<std::size_t>(1, size), 1, kTextsMax));
  for (message::Body& text : texts) {
    // In blocks, as text comes from a socket.
    for (std::size_t left = size; left > 0;) {
      std::string block(std::min<std::size_t>(left, 64U << 10), '\0');
      random.fill(std::as_writable_bytes(std::span(block)));
      left -= block.size();
      text.append(Chunk(std::move(block)));
    }
  }
  return texts;
}

Sessions::Sessions(queue::Queue& queue, Make make) : queue_(queue), make_(std::move(make)) {}

std::uint64_t Sessions::run(std::size_t sessions, std::uint64_t limit,
                            std::chrono::milliseconds time) {
  end_ = std::chrono::steady_clock::now() + time;
  limit_ = limit;
  next_ = 0;
  accepted_ = 0;
  std::vector<Worker> workers(std::min(sessions, kWorkers));
  for (std::size_t i = 0; i < sessions; ++i) ++workers[i % workers.size()].sessions;
  std::vector<std::thread> threads;
  threads.reserve(workers.size());
  for (Worker& worker : workers) {
    worker.idle = worker.sessions;
    threads.emplace_back([this, &worker] { work(worker); });
  }
  for (std::thread& thread : threads) thread.join();
  return accepted_;
}

void Sessions::work(Worker& worker) {
  std::unique_lock held(worker.mutex);
  while (true) {
    worker.wake.wait(held, [&] { return worker.idle > 0; });
    const std::uint64_t number = next_++;
    if (number >= limit_ || std::chrono::steady_clock::now() >= end_) break;
    --worker.idle;
    held.unlock();
    send(worker, number);
    held.lock();
  }
  worker.wake.wait(held, [&] { return worker.idle == worker.sessions; });
}

void Sessions::send(Worker& worker, std::uint64_t number) {
  queue_.submit(make_(number), [this, &worker](queue::Refusal refusal) {
    ++(refusal == queue::Refusal::kNone ? accepted_ : refused_);
    // Under the lock: the worker ends as soon as it sees the last of them.
    const std::lock_guard held(worker.mutex);
    ++worker.idle;
    worker.wake.notify_one();
  });
}

}  // namespace postrider::bench
