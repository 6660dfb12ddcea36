// CertificatesWatch: keeps the certificates of the listeners current. When one of their files
// changes all are read again; one that cannot be used, a key that is not yet its own among them, is
// reported, and the one before it stays.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "metrics/metrics.h"
#include "relay/base/clock.h"
#include "relay/base/result.h"
#include "relay/daemon/file_watch.h"
#include "relay/submission/receiver.h"
#include "relay/tls/context.h"

namespace postrider::daemon {

class CertificatesWatch {
 public:
  using Listeners = std::vector<std::unique_ptr<submission::Listener>>;

  // Reads the certificates at once, for each listener its own or else that of `common`: an error
  // names the first that cannot be used. A listener without any is left as it is. What is referred
  // to outlives the watch.
  static Result<std::unique_ptr<CertificatesWatch>> start(const tls::ServerIdentity& common,
                                                          const Listeners& listeners,
                                                          const Clock& clock,
                                                          metrics::Registry& metrics,
                                                          Duration interval = FileWatch::kInterval);

  // Any thread: the files are read soon, changed or not.
  void read_again() { watch_.look_again(); }

 private:
  // A listener with a certificate.
  struct Served {
    const submission::Listener* listener;
    tls::ServerIdentity identity;
    tls::ClientCertificates clients;
    metrics::Gauge ends;
  };

  CertificatesWatch(const tls::ServerIdentity& common, const Listeners& listeners,
                    const Clock& clock, metrics::Registry& metrics, Duration interval);
  static std::vector<Served> served(const tls::ServerIdentity& common, const Listeners& listeners,
                                    metrics::Registry& metrics);
  static std::vector<std::string> files_of(const std::vector<Served>& served);
  // The errors, each once however many listeners share the files.
  std::vector<Error> read();
  static Result<void> read(const Served& served);
  void read_changed();
  // In the log, of those that have expired or soon will.
  void warn() const;

  const Clock& clock_;
  const std::vector<Served> served_;
  metrics::Counter read_;
  metrics::Counter refused_;
  FileWatch watch_;  // last: its thread uses what stands above
};

}  // namespace postrider::daemon
