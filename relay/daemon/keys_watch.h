// KeysWatch: keeps the DKIM keys current. When a key file changes all are read again; one that
// cannot be used is reported, and the key before it stays.
#pragma once

#include <memory>

#include "metrics/metrics.h"
#include "relay/base/clock.h"
#include "relay/base/result.h"
#include "relay/daemon/file_watch.h"
#include "relay/signing/signer.h"

namespace postrider::daemon {

class KeysWatch {
 public:
  // Reads the keys at once and has a signer for them: an error names the first that cannot be used.
  static Result<std::unique_ptr<KeysWatch>> start(const signing::Options& options,
                                                  metrics::Registry& metrics,
                                                  Duration interval = FileWatch::kInterval);

  // As long as the watch.
  signing::Signer& signer() { return *signer_; }

  // Any thread: the files are read soon, changed or not.
  void read_again() { watch_.look_again(); }

 private:
  KeysWatch(const signing::Options& options, metrics::Registry& metrics, Duration interval);
  void read();

  metrics::Counter read_;
  metrics::Counter refused_;
  std::unique_ptr<signing::Signer> signer_;
  FileWatch watch_;  // last: its thread uses what stands above
};

}  // namespace postrider::daemon
