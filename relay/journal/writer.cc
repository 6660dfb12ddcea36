#include "relay/journal/writer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/resource.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <zlib.h>

#include "relay/base/check.h"
#include "relay/base/guarded.h"
#include "relay/base/log.h"
#include "relay/journal/line_file.h"
#include "relay/journal/rotation.h"

namespace postrider::journal {

namespace {

constexpr std::string_view kArea = "journal";
constexpr int kCompressorNice = 10;  // mail comes first

// Owns a gzip stream and the descriptor under it.
class GzipFile {
 public:
  explicit GzipFile(int fd) : stream_(::gzdopen(fd, "wb6")) {
    if (stream_ == nullptr) ::close(fd);
  }

  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  ~GzipFile() { finish(); }

  bool write(std::string_view bytes) {
    return stream_ != nullptr &&
           std::cmp_equal(::gzwrite(stream_, bytes.data(), static_cast<unsigned>(bytes.size())),
                          bytes.size());
  }

  // Writes the trailer and closes; false if anything has failed.
  bool finish() { return stream_ != nullptr && ::gzclose(std::exchange(stream_, nullptr)) == Z_OK; }

 private:
  gzFile stream_;
};

Error gzip_error(const std::string& from, int code) {
  return Error::from_errno("cannot compress journal file " + from, code != 0 ? code : EIO);
}

// All of `in` into a gzip file on `out`, which is synced. False in the result: `stop` was set.
Result<bool> gzip(const std::string& from, int in, int out, const std::atomic<bool>& stop) {
  GzipFile stream(::fcntl(out, F_DUPFD_CLOEXEC, 0));
  std::array<char, 65'536> buffer{};
  while (true) {
    if (stop) return false;
    const ssize_t n = ::read(in, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure(gzip_error(from, errno));
    if (n == 0) break;
    errno = 0;
    if (!stream.write({buffer.data(), static_cast<std::size_t>(n)})) {
      return failure(gzip_error(from, errno));
    }
  }
  errno = 0;
  if (!stream.finish() || ::fsync(out) != 0) return failure(gzip_error(from, errno));
  return true;
}

// FILE.2 becomes FILE.2.gz. A crash at any point leaves the one, or both with the same lines, and
// the next writer does it again.
Result<void> compress(const std::string& file, const Generation& generation,
                      const std::atomic<bool>& stop) {
  const std::string scratch = file + ".gz.tmp";
  const std::string target = generation.path + ".gz";
  const Descriptor in = open_descriptor(generation.path, O_RDONLY);
  if (!in.is_open()) return failure(gzip_error(generation.path, errno));
  const Descriptor out = open_descriptor(scratch, O_WRONLY | O_CREAT | O_TRUNC);
  if (!out.is_open()) return failure(gzip_error(generation.path, errno));
  const auto done = gzip(generation.path, in.get(), out.get(), stop);
  if (!done || !*done) {
    ::unlink(scratch.c_str());
    if (!done) return failure(done.error());
    return {};
  }
  if (::rename(scratch.c_str(), target.c_str()) != 0 || ::unlink(generation.path.c_str()) != 0) {
    return failure(gzip_error(generation.path, errno));
  }
  return {};
}

// Whether an earlier process left work for the compressor.
bool has_uncompressed(const std::string& file) {
  const auto generations = list_generations(file);
  return std::any_of(generations.begin(), generations.end(), [](const Generation& generation) {
    return generation.number > 1 && !generation.compressed;
  });
}

// The thread that works behind a rotation. start() only while idle().
class Compressor {
 public:
  explicit Compressor(std::string file) : file_(std::move(file)) {}

  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  ~Compressor() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  [[nodiscard]] bool idle() const { return !busy_; }

  void start() {
    if (thread_.joinable()) thread_.join();
    busy_ = true;
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
      busy_ = false;
      log::warning(kArea, "cannot start the compression of old files", {{"error", error.what()}});
    }
  }

 private:
  void run() {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kCompressorNice);
    for (const Generation& generation : list_generations(file_)) {
      if (generation.compressed || stop_) continue;
      if (generation.number == 1) {
        sync(generation.path);
        continue;
      }
      const auto done = compress(file_, generation, stop_);
      if (!done) {
        log::warning(kArea, "an old file stays uncompressed", {{"error", done.error().text()}});
      }
    }
    busy_ = false;
  }

  // Writer::sync() reaches the current file only; the end of the last one is made durable here.
  static void sync(const std::string& path) {
    const Descriptor file = open_descriptor(path, O_RDONLY);
    if (file.is_open()) ::fdatasync(file.get());
  }

  std::string file_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> busy_ = false;
  std::thread thread_;
};

}  // namespace

struct Writer::State {
  struct Journal {
    LineFile file;
    std::uint64_t dropped = 0;
    bool failing = false;
    std::uint64_t rotate_at = 0;  // octets; raised when a rotation has failed
  };

  explicit State(Options given) : options(std::move(given)), compressor(options.file) {}

  void count_lost(Journal& journal, const LineFile::Lost& lost) const;
  void rotate_if_due(Journal& journal);
  Result<void> rotate(Journal& journal);

  const Options options;
  Guarded<Journal> guarded;
  Compressor compressor;
};

void Writer::State::count_lost(Journal& journal, const LineFile::Lost& lost) const {
  journal.dropped += lost.lines;
  const bool failing = lost.error != 0;
  if (failing && !journal.failing) {
    log::error(kArea, "cannot be written; lines are dropped",
               {{"error", Error::from_errno(options.file, lost.error).text()}});
  } else if (!failing && journal.failing) {
    log::info(kArea, "is written again",
              {{"file", options.file}, {"dropped_lines", journal.dropped}});
  }
  journal.failing = failing;
}

void Writer::State::rotate_if_due(Journal& journal) {
  if (options.rotate_size == 0 || journal.file.size_bound() <= journal.rotate_at) return;
  if (!journal.file.is_regular() || !compressor.idle()) return;
  const std::uint64_t size = journal.file.size();
  if (size <= journal.rotate_at) return;
  const auto rotated = rotate(journal);
  journal.rotate_at = options.rotate_size;
  if (!rotated) {
    // Another try after as much again, not at every line.
    journal.rotate_at += size;
    log::warning(kArea, "cannot be rotated; it grows on", {{"error", rotated.error().text()}});
  }
}

Result<void> Writer::State::rotate(Journal& journal) {
  const std::string& file = options.file;
  if (options.keep == 0) return journal.file.clear();
  // An outside tool that renames has done our work; the old files are not ours to shift then.
  const bool ours = journal.file.is_at(file);
  if (ours) {
    auto shifted = shift_generations(file, options.keep);
    if (!shifted) return shifted;
  }
  auto fresh = LineFile::open(file);
  if (!fresh) {
    // The open descriptor goes on writing, under the name that everybody expects.
    if (ours) ::rename((file + ".1").c_str(), file.c_str());
    return failure(fresh.error());
  }
  journal.file = std::move(*fresh);
  if (ours) compressor.start();
  return {};
}

Writer::Writer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Writer::~Writer() = default;

Result<std::unique_ptr<Writer>> Writer::open(Options options) {
  auto state = std::make_unique<State>(std::move(options));
  if (!state->options.file.empty()) {
    auto file = LineFile::open(state->options.file);
    if (!file) return failure(file.error());
    auto journal = state->guarded.lock();
    journal->rotate_at = state->options.rotate_size;
    journal->file = std::move(*file);
    if (state->options.rotate_size != 0 && has_uncompressed(state->options.file)) {
      state->compressor.start();
    }
  }
  return std::unique_ptr<Writer>(new Writer(std::move(state)));
}

void Writer::append(std::string_view lines) {
  PR_CHECK(lines.empty() || lines.ends_with('\n'));
  auto journal = state_->guarded.lock();
  if (!journal->file.is_open() || lines.empty()) return;
  state_->count_lost(*journal, journal->file.append(lines));
  state_->rotate_if_due(*journal);
}

void Writer::reopen() {
  auto journal = state_->guarded.lock();
  if (!journal->file.is_open()) return;
  auto file = LineFile::open(state_->options.file);
  if (!file) {
    log::error(kArea, "cannot be reopened; the file open so far is written on",
               {{"error", file.error().text()}});
    return;
  }
  journal->file = std::move(*file);
}

void Writer::sync() {
  // Not under the lock: a disk may take its time, and the commit thread has lines to append.
  const auto file = state_->guarded.lock()->file.for_sync();
  if (file == nullptr) return;
  const auto synced = sync_lines(*file);
  if (!synced) log::error(kArea, "cannot be synced", {{"error", synced.error().text()}});
}

std::uint64_t Writer::dropped_lines() const {
  return state_->guarded.lock()->dropped;
}

}  // namespace postrider::journal
