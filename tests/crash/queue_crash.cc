// Kills a process that works with the queue over RocksDB, at random moments, and checks what the
// next start finds.
//
//   queue_crash [--kills N] [--seed S] [--answer-early]
//
// The child writes a line to its diary before each call and after each answer; a line is one
// write(2) to a file, so that a kill loses none that was written. The parent kills it with SIGKILL,
// reads the diary, opens the store itself and compares:
//
//   submitted and answered      must be there unless an end was intended
//   submitted, not answered     may be there or not
//   end intended                may be there or not
//   end seen to be committed    must not be there
//   never submitted             must not be there
//
// and every body that is there must be what was submitted. Some texts are written while they arrive
// (OpenBody); of those that came to no submission nothing may be left. --answer-early is the
// negative control: the diary says "answered" before the queue does, and the check must fail.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "queue/body_layout.h"
#include "queue/keys.h"
#include "queue/queue.h"
#include "queue/rocks_store.h"
#include "relay/base/log.h"

namespace postrider::queue {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  const char* program = "queue_crash";
  std::string child;  // the directory to work in; empty: this is the parent
  int kills = 30;
  std::uint64_t seed = std::random_device()();
  bool answer_early = false;
};

// A text that is written while it arrives; without parts it is written whole.
struct Text {
  std::string front;
  std::vector<std::string> parts;
  std::string rest;

  [[nodiscard]] std::string whole() const {
    std::string all = front;
    for (const std::string& part : parts) all += part;
    return all + rest;
  }
};

// The same for the same id, whoever asks.
Text text_of(const MessageId& id) {
  SeededRandom random(id.low);
  Text text;
  if (random.below(8) == 0) {
    text.front = random.token(1 + random.below(3000));
    for (std::uint64_t i = 1 + random.below(4); i > 0; --i) {
      text.parts.push_back(random.token((1 + random.below(3)) * OpenBody::kPartUnit));
    }
    text.rest = random.token(random.below(100'000));
    return text;
  }
  text.front = random.token(random.below(10) == 0 ? random.below(200'000) : random.below(4096));
  return text;
}

// --- the child ---

class Diary {
 public:
  explicit Diary(const std::string& path)
      : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}

  void write(char what, const MessageId& id) const {
    const std::string line = std::string(1, what) + " " + id.to_string() + "\n";
    if (::write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      std::_Exit(3);
    }
  }

 private:
  int file_;
};

class Worker final : public Consumer {
 public:
  Worker(const Diary& diary, std::uint64_t seed) : diary_(diary), random_(seed) {}

  void deliver(std::vector<Lease> fresh) override {
    const std::lock_guard held(mutex_);
    for (Lease& lease : fresh) leases_.push_back(std::move(lease));
  }

  // Ends some of what was leased: mostly for good, partly to come back soon.
  void work(Queue& queue, const Clock& clock) {
    std::deque<Lease> taken;
    {
      const std::lock_guard held(mutex_);
      taken.swap(leases_);
    }
    for (Lease& lease : taken) {
      Completion completion;
      const bool ends = random_() % 4 != 0;
      completion.fates.assign(lease.recipients().size(), ends ? Fate::kDelivered : Fate::kDeferred);
      completion.next_attempt = clock.wall() + Milliseconds(random_() % 50);
      if (ends) diary_.write('e', lease.message().id);
      queue.finish(std::move(lease), std::move(completion));
    }
  }

 private:
  const Diary& diary_;
  std::mt19937_64 random_;
  std::mutex mutex_;
  std::deque<Lease> leases_;  // guarded by mutex_
};

// Submits messages with one recipient or two, each with the text that its id stands for.
class Sender {
 public:
  Sender(Queue& queue, const Clock& clock, const Diary& diary, std::uint64_t seed,
         bool answer_early)
      : queue_(queue), clock_(clock), diary_(diary), random_(seed), answer_early_(answer_early) {}

  void begin_one() {
    auto upload = std::make_unique<Upload>();
    upload->id = queue_.next_id();
    upload->text = text_of(upload->id);
    if (upload->text.parts.empty()) return submit(*upload);
    upload->body = queue_.open_body(upload->id);
    uploads_.push_back(std::move(upload));
  }

  // The next part of each text whose last one is written; some are given up on the way.
  void work() {
    std::erase_if(uploads_, [this](const std::unique_ptr<Upload>& one) {
      if (one->under_way->load()) return random_() % 20 == 0;
      if (random_() % 10 == 0) return true;
      if (one->next < one->text.parts.size()) {
        append_next(*one);
        return false;
      }
      submit(*one);
      return true;
    });
  }

  [[nodiscard]] bool is_busy() const { return waiting_ > 200 || uploads_.size() > 20; }

  [[nodiscard]] bool is_full() const { return waiting_ > 200; }

 private:
  struct Upload {
    MessageId id;
    Text text;
    OpenBody body;
    std::size_t next = 0;  // part
    // The answer may come when the upload has been given up.
    std::shared_ptr<std::atomic<bool>> under_way = std::make_shared<std::atomic<bool>>(false);
  };

  static void append_next(Upload& upload) {
    *upload.under_way = true;
    upload.body.append(message::Body(upload.text.parts[upload.next++]),
                       [under_way = upload.under_way](Refusal refusal) {
                         if (refusal != Refusal::kNone) std::_Exit(7);
                         *under_way = false;
                       });
  }

  void submit(Upload& upload) {
    Submission submission;
    const MessageId id = submission.id = upload.id;
    submission.envelope.sender = {"a", "example.org"};
    const std::string domain = "d" + std::to_string(random_() % 10) + ".example";
    submission.recipients = {{{"b", domain}, 0, ""}};
    if (random_() % 3 == 0) submission.recipients.push_back({{"c", "other.example"}, 0, ""});
    submission.body = message::Body(std::move(upload.text.front));
    if (upload.body.valid()) upload.body.end(message::Body(std::move(upload.text.rest)));
    submission.opened = std::move(upload.body);
    submission.expires = clock_.wall() + std::chrono::hours(1);
    diary_.write('s', id);
    if (answer_early_) diary_.write('a', id);
    ++waiting_;
    queue_.submit(std::move(submission), [this, id](Refusal refusal) {
      if (refusal == Refusal::kNone) diary_.write('a', id);
      --waiting_;
    });
  }

  Queue& queue_;
  const Clock& clock_;
  const Diary& diary_;
  std::mt19937_64 random_;
  bool answer_early_;
  std::atomic<int> waiting_{0};
  std::vector<std::unique_ptr<Upload>> uploads_;
};

[[noreturn]] void run_child(const std::string& directory, std::uint64_t seed, bool answer_early) {
  const Diary diary(directory + "/diary");
  SystemClock clock;
  SystemRandom system_random;
  metrics::Registry registry;
  std::mt19937_64 random(seed);
  RocksOptions rocks;
  rocks.directory = directory + "/queue";
  rocks.memtable_size = 1U << 20;  // so that flushes and compactions are met too
  auto store = open_rocks_store(rocks);
  if (!store) std::_Exit(4);
  auto queue = Queue::open({}, **store, clock, system_random, registry, {});
  if (!queue) std::_Exit(5);
  Worker worker(diary, seed + 1);
  Sender sender(**queue, clock, diary, seed + 2, answer_early);
  (*queue)->start(worker);
  while (true) {  // until it is killed
    for (std::uint64_t i = random() % 20; i > 0 && !sender.is_busy(); --i) sender.begin_one();
    sender.work();
    worker.work(**queue, clock);
    if (random() % 4 == 0) std::this_thread::sleep_for(Milliseconds(random() % 5));
    while (sender.is_full()) std::this_thread::yield();
  }
}

// --- the parent ---

struct Known {
  bool answered = false;
  bool end_intended = false;
};

std::map<MessageId, Known> read_diary(const std::string& path) {
  std::map<MessageId, Known> known;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const auto id = line.size() > 2 ? MessageId::parse(line.substr(2)) : std::nullopt;
    if (!id) continue;
    Known& one = known[*id];
    if (line[0] == 'a') one.answered = true;
    if (line[0] == 'e') one.end_intended = true;
  }
  return known;
}

class Examiner final : public Consumer {
 public:
  void deliver(std::vector<Lease> fresh) override {
    const std::lock_guard held(mutex_);
    for (Lease& lease : fresh) leases_.push_back(std::move(lease));
  }

  std::deque<Lease> take() {
    const std::lock_guard held(mutex_);
    return std::exchange(leases_, {});
  }

 private:
  std::mutex mutex_;
  std::deque<Lease> leases_;  // guarded by mutex_
};

class Check {
 public:
  explicit Check(std::string directory) : directory_(std::move(directory)) {}

  // After a kill; the number of things that are wrong.
  int run(std::map<MessageId, bool>& gone_for_good) {
    const auto known = read_diary(directory_ + "/diary");
    RocksOptions rocks;
    rocks.directory = directory_ + "/queue";
    auto store = open_rocks_store(rocks);
    if (!store) return complain("does not open: " + store.error().text());
    auto queue = Queue::open({}, **store, clock_, random_, registry_, {});
    if (!queue) return complain("does not open: " + queue.error().text());
    Selector all;
    all.all = true;
    std::vector<MessageSummary> found;
    std::optional<MessageId> from = MessageId();
    while (from) {
      auto page = (*queue)->messages(all, 1'000'000, *from);
      if (!page) return complain("cannot be read: " + page.error().text());
      std::move(page->messages.begin(), page->messages.end(), std::back_inserter(found));
      from = page->next;
    }
    compare(known, found, gone_for_good);
    if ((*queue)->stats().messages != found.size()) complain("the totals are wrong");
    count_chunks(**store, found);
    read_bodies(**queue, found.size());
    return wrong_;
  }

 private:
  void compare(const std::map<MessageId, Known>& known, const std::vector<MessageSummary>& found,
               std::map<MessageId, bool>& gone_for_good) {
    std::map<MessageId, const MessageSummary*> there;
    for (const MessageSummary& one : found) {
      const MessageId& id = one.message.id;
      there[id] = &one;
      if (!known.contains(id)) complain(id.to_string() + " was never submitted");
      if (gone_for_good.contains(id)) complain(id.to_string() + " has come back");
      if (one.deliveries.empty()) complain(id.to_string() + " has no delivery left");
    }
    for (const auto& [id, state] : known) {
      if (there.contains(id)) continue;
      if (state.answered && !state.end_intended)
        complain(id.to_string() + " acknowledged and lost");
      gone_for_good[id] = true;
    }
  }

  // Of every message all chunks are there, and none of anything else.
  void count_chunks(Store& store, const std::vector<MessageSummary>& found) {
    std::map<MessageId, std::uint32_t> chunks;
    const auto cursor =
        store.scan(std::string(1, space::kBody), after_prefix(std::string(1, space::kBody)));
    for (; cursor->valid(); cursor->next()) ++chunks[*decode_id(cursor->key())];
    if (!cursor->status()) complain("the bodies cannot be read");
    for (const MessageSummary& one : found) {
      const std::uint32_t expected = layout_of(one.message).chunks();
      if (chunks[one.message.id] != expected) {
        complain(one.message.id.to_string() + " has not as many chunks as it should");
      }
      chunks.erase(one.message.id);
    }
    if (!chunks.empty()) complain(std::to_string(chunks.size()) + " bodies have no message");
    const auto marks =
        store.scan(std::string(1, space::kOpen), after_prefix(std::string(1, space::kOpen)));
    if (marks->valid()) complain("a body is being written and nobody is there");
  }

  // Everything that is due within a moment arrives, with the body that was submitted.
  void read_bodies(Queue& queue, std::size_t count) {
    Examiner examiner;
    queue.start(examiner);
    std::atomic<std::size_t> read{0};
    std::atomic<int> bad{0};
    std::mutex mutex;
    std::vector<Lease> done;
    std::map<MessageId, bool> seen;
    const TimePoint limit = clock_.now() + Seconds(60);
    std::size_t asked = 0;
    while ((seen.size() < count || read < asked) && clock_.now() < limit) {
      for (Lease& lease : examiner.take()) {
        seen[lease.message().id] = true;
        ++asked;
        const auto pieces = read_pieces(queue, lease);
        queue.read_body(std::move(lease), [&, pieces](Lease back, Result<void> result) {
          const std::string expected = text_of(back.message().id).whole();
          if (!result || back.body()->to_string() != expected || *pieces != expected) ++bad;
          const std::lock_guard held(mutex);
          done.push_back(std::move(back));
          ++read;
        });
      }
      std::this_thread::sleep_for(Milliseconds(1));
    }
    queue.stop_leasing();
    while (read < asked) std::this_thread::yield();
    done.clear();
    examiner.take();
    queue.stop();
    examiner.take();
    if (bad > 0) complain(std::to_string(bad) + " bodies are damaged");
    if (seen.size() < count) {
      complain(std::to_string(count - seen.size()) + " messages are on disk and never come due");
    }
  }

  // Complete when the reader thread has come to what is asked of it next.
  static std::shared_ptr<const std::string> read_pieces(Queue& queue, const Lease& lease) {
    auto text = std::make_shared<std::string>();
    for (std::uint32_t number = 0; number < lease.message().pieces(); ++number) {
      queue.read_piece(lease, number, [text](const Result<message::Body>& piece) {
        if (piece) *text += piece->to_string();
      });
    }
    return text;
  }

  int complain(const std::string& what) {
    if (++wrong_ <= 10) std::printf("WRONG: %s\n", what.c_str());
    return wrong_;
  }

  std::string directory_;
  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry registry_;
  int wrong_ = 0;
};

// A program of its own: the database's threads do not survive a fork.
pid_t start_child(const Arguments& arguments, const std::string& directory, std::uint64_t seed) {
  const std::string number = std::to_string(seed);
  std::vector<const char*> words = {arguments.program, "--child", directory.c_str(), "--seed",
                                    number.c_str()};
  if (arguments.answer_early) words.push_back("--answer-early");
  words.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::execv("/proc/self/exe", const_cast<char* const*>(words.data()));
  std::_Exit(6);
}

// Whether the child has begun to work: it writes into its diary. On a busy machine that takes a
// while.
bool wait_for_work(const std::string& diary, std::uintmax_t size_before) {
  const auto limit = std::chrono::steady_clock::now() + Seconds(60);
  while (std::chrono::steady_clock::now() < limit) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(diary, error);
    if (!error && size > size_before) return true;
    std::this_thread::sleep_for(Milliseconds(1));
  }
  return false;
}

int run(const Arguments& arguments) {
  std::string directory = (fs::temp_directory_path() / "queue_crash.XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 2;
  std::printf("seed %llu, %d kills, in %s\n", static_cast<unsigned long long>(arguments.seed),
              arguments.kills, directory.c_str());
  std::fflush(stdout);
  std::mt19937_64 random(arguments.seed);
  std::map<MessageId, bool> gone_for_good;
  int wrong = 0;
  for (int i = 0; i < arguments.kills && wrong == 0; ++i) {
    const std::uint64_t child_seed = random();
    const auto lives = Milliseconds(20 + random() % 400);
    // Most are killed at work, some while they open what the one before has left.
    const bool at_work = random() % 4 != 0;
    std::error_code error;
    const std::uintmax_t before = fs::file_size(directory + "/diary", error);
    const pid_t child = start_child(arguments, directory, child_seed);
    if (at_work && !wait_for_work(directory + "/diary", error ? 0 : before)) {
      std::printf("WRONG: the child does not begin to work\n");
      ++wrong;
    }
    std::this_thread::sleep_for(lives);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      std::printf("WRONG: the child ended by itself with %d\n", WEXITSTATUS(status));
      ++wrong;
    }
    wrong += Check(directory).run(gone_for_good);
  }
  const std::size_t submitted = read_diary(directory + "/diary").size();
  std::printf("%s: %zu messages submitted\n", wrong == 0 ? "ok" : "FAILED", submitted);
  // What went wrong stays, to be looked at; the negative control goes wrong as it should.
  if (wrong == 0 || arguments.answer_early) fs::remove_all(directory);
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace postrider::queue

int main(int argc, char** argv) {
  postrider::queue::Arguments arguments;
  arguments.program = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--answer-early") {
      arguments.answer_early = true;
    } else if (argument == "--kills" && i + 1 < argc) {
      arguments.kills = std::atoi(argv[++i]);
    } else if (argument == "--child" && i + 1 < argc) {
      arguments.child = argv[++i];
    } else if (argument == "--seed" && i + 1 < argc) {
      arguments.seed = std::strtoull(argv[++i], nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: queue_crash [--kills N] [--seed S] [--answer-early]\n");
      return 2;
    }
  }
  if (arguments.child.empty()) return postrider::queue::run(arguments);
  postrider::queue::run_child(arguments.child, arguments.seed, arguments.answer_early);
}
