#include "relay/daemon/file_watch.h"

#include <pthread.h>
#include <sys/stat.h>
#include <utility>

namespace postrider::daemon {

FileWatch::FileWatch(std::string thread_name, std::vector<std::string> files,
                     std::function<void()> changed, Duration interval)
    : thread_name_(std::move(thread_name)),
      files_(std::move(files)),
      changed_(std::move(changed)),
      interval_(interval),
      seen_(versions()),
      last_(seen_) {}

FileWatch::~FileWatch() {
  state_.lock()->stopping = true;
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void FileWatch::start() {
  thread_ = std::thread([this] { run(); });
}

void FileWatch::look_again() {
  state_.lock()->asked = true;
  wake_.notify_all();
}

// Of a file that cannot be looked at: a version of its own, so that its return is a change.
std::vector<FileWatch::Version> FileWatch::versions() const {
  std::vector<Version> all;
  all.reserve(files_.size());
  for (const std::string& file : files_) {
    struct stat about {};

    Version version;
    if (::stat(file.c_str(), &about) == 0) {
      const auto nanoseconds = std::int64_t{1'000'000'000};
      version = {about.st_dev, about.st_ino, about.st_size,
                 about.st_ctim.tv_sec * nanoseconds + about.st_ctim.tv_nsec};
    }
    all.push_back(version);
  }
  return all;
}

void FileWatch::run() {
  pthread_setname_np(pthread_self(), thread_name_.c_str());
  for (;;) {
    bool asked = false;
    {
      auto state = state_.lock();
      wake_.wait_for(state.mutex_lock(), interval_,
                     [&] { return state->stopping || state->asked; });
      if (state->stopping) return;
      asked = std::exchange(state->asked, false);
    }
    look(asked);
  }
}

void FileWatch::look(bool asked) {
  // Before it is read: a change meanwhile is seen the next time.
  std::vector<Version> found = versions();
  const bool at_rest = found == std::exchange(last_, found);
  if (!asked && (found == seen_ || !at_rest)) return;
  seen_ = std::move(found);
  changed_();
}

}  // namespace postrider::daemon
