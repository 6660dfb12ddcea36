#include "queue/rocks_environment.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <linux/magic.h>
#include <memory>
#include <rocksdb/file_system.h>
#include <string>
#include <string_view>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>

#include "queue/log_gap.h"

namespace postrider::queue {

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// A file that ends elsewhere than a block might seem to end in half a record.
static_assert(kZerosAhead % kLogBlock == 0);

constexpr std::uint64_t kXfsMagic = 0x58465342;

// File systems that write a block where it stands. Others take a new one each time.
bool writes_in_place(int file) {
  struct statfs about {};

  if (::fstatfs(file, &about) != 0) return false;
  const auto kind = static_cast<std::uint64_t>(about.f_type);
  return kind == EXT4_SUPER_MAGIC || kind == kXfsMagic;
}

class LogFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  // `ahead`: a second descriptor of the file, now owned; RocksDB's own keeps its place in the file.
  LogFile(std::unique_ptr<rocksdb::FSWritableFile> log, int ahead)
      : FSWritableFileOwnerWrapper(std::move(log)), ahead_(ahead) {}

  ~LogFile() override { ::close(ahead_); }

  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    end_ += data.size();
    return target()->Append(data, options, debug);
  }

  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    end_ += data.size();
    return target()->Append(data, options, verification, debug);
  }

  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const std::uint64_t size = end_ - std::exchange(synced_, end_);
    if (end_ > zeroed_ && size <= kZerosForSyncsMax) write_zeros();
    return target()->Sync(options, debug);
  }

  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    // Nothing depends on it: the zeros are an end as good as that of the file.
    if (zeroed_ > end_) (void)!::ftruncate(ahead_, static_cast<off_t>(end_));
    return target()->Close(options, debug);
  }

 private:
  // Where that fails nothing is lost but time.
  void write_zeros() {
    static constexpr std::array<char, kLogBlock> kZeros{};
    const std::uint64_t until = (end_ + kZerosAhead) / kLogBlock * kLogBlock;
    std::uint64_t at = end_;
    while (at < until) {
      const std::size_t size = std::min<std::uint64_t>(until - at, kZeros.size());
      if (::pwrite(ahead_, kZeros.data(), size, static_cast<off_t>(at)) !=
          static_cast<ssize_t>(size)) {
        break;
      }
      at += size;
    }
    zeroed_ = at;
  }

  const int ahead_;
  std::uint64_t end_ = 0;     // of what was appended
  std::uint64_t synced_ = 0;  // end_ at the last sync
  std::uint64_t zeroed_ = 0;  // up to here the file has blocks
};

class LogFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  [[nodiscard]] const char* Name() const override { return "postrider"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    IOStatus made = target()->NewWritableFile(name, options, file, debug);
    if (!made.ok() || !std::string_view(name).ends_with(".log")) return made;
    const int ahead = ::open(name.c_str(), O_WRONLY | O_CLOEXEC);
    if (ahead < 0) return made;
    if (writes_in_place(ahead)) {
      *file = std::make_unique<LogFile>(std::move(*file), ahead);
    } else {
      ::close(ahead);
    }
    return made;
  }
};

}  // namespace

rocksdb::Env* environment() {
  static const std::unique_ptr<rocksdb::Env> only =
      rocksdb::NewCompositeEnv(std::make_shared<LogFileSystem>(rocksdb::FileSystem::Default()));
  return only.get();
}

}  // namespace postrider::queue
