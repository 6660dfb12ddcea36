// FileWatch: tells when one of a few files has changed and is at rest. It looks every few seconds,
// on a thread of its own, where what follows a change may take time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/guarded.h"

namespace postrider::daemon {

class FileWatch {
 public:
  static constexpr Duration kInterval = Seconds(2);

  // What the files are like now counts as seen: whoever reads them reads them after this.
  // `changed` runs on the watch's thread from start() to the destructor's end.
  FileWatch(std::string thread_name, std::vector<std::string> files, std::function<void()> changed,
            Duration interval = kInterval);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Once.
  void start();
  // Any thread: `changed` runs soon, whatever became of the files.
  void look_again();
  // What the thread does every `interval`, for who has not called start(). An editor may empty a
  // file before it writes it: a change counts when two looks agree, or when somebody asked.
  void look(bool asked = false);

 private:
  // What tells one version of a file from another.
  struct Version {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;
    std::int64_t changed = 0;  // nanoseconds

    bool operator==(const Version&) const = default;
  };

  struct State {
    bool asked = false;
    bool stopping = false;
  };

  [[nodiscard]] std::vector<Version> versions() const;
  void run();

  const std::string thread_name_;
  const std::vector<std::string> files_;
  const std::function<void()> changed_;
  const Duration interval_;
  std::vector<Version> seen_;  // when `changed` was last called
  std::vector<Version> last_;  // at the last look
  Guarded<State> state_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace postrider::daemon
