#include "relay/daemon/certificates_watch.h"

#include <algorithm>
#include <set>
#include <utility>

#include "relay/base/log.h"

namespace postrider::daemon {

using metrics::Metric;

Result<std::unique_ptr<CertificatesWatch>> CertificatesWatch::start(
    const tls::ServerIdentity& common, const Listeners& listeners, const Clock& clock,
    metrics::Registry& metrics, Duration interval) {
  std::unique_ptr<CertificatesWatch> watch(
      new CertificatesWatch(common, listeners, clock, metrics, interval));
  const std::vector<Error> problems = watch->read();
  if (!problems.empty()) return failure(problems.front());
  watch->warn();
  if (!watch->served_.empty()) watch->watch_.start();
  return watch;
}

CertificatesWatch::CertificatesWatch(const tls::ServerIdentity& common, const Listeners& listeners,
                                     const Clock& clock, metrics::Registry& metrics,
                                     Duration interval)
    : clock_(clock),
      served_(served(common, listeners, metrics)),
      read_(metrics.counter(Metric::kCertificatesReads, "ok")),
      refused_(metrics.counter(Metric::kCertificatesReads, "failed")),
      watch_(
          "certificates", files_of(served_), [this] { read_changed(); }, interval) {}

std::vector<CertificatesWatch::Served> CertificatesWatch::served(const tls::ServerIdentity& common,
                                                                 const Listeners& listeners,
                                                                 metrics::Registry& metrics) {
  std::vector<Served> all;
  for (const auto& listener : listeners) {
    const submission::ListenerOptions& options = listener->options;
    tls::ServerIdentity identity = common;
    if (!options.certificate.empty()) identity = {options.certificate, options.key};
    if (identity.certificate_file.empty()) continue;
    all.push_back({listener.get(),
                   std::move(identity),
                   {options.client_ca, options.client_certificate_required},
                   metrics.gauge(Metric::kCertificateEnds, options.address.to_string())});
  }
  return all;
}

std::vector<std::string> CertificatesWatch::files_of(const std::vector<Served>& served) {
  std::set<std::string> files;
  for (const Served& one : served) {
    files.insert({one.identity.certificate_file, one.identity.key_file});
    if (!one.clients.ca_file.empty()) files.insert(one.clients.ca_file);
  }
  return {files.begin(), files.end()};
}

Result<void> CertificatesWatch::read(const Served& served) {
  auto& newest = served.listener->tls;
  const std::shared_ptr<const tls::Context> before = *newest.lock();
  auto context = tls::Context::server(served.identity, served.clients, before.get());
  if (!context) return failure(context.error());
  served.ends.set(std::chrono::duration<double>((*context)->ends().time_since_epoch()).count());
  *newest.lock() = *std::move(context);
  return {};
}

std::vector<Error> CertificatesWatch::read() {
  std::vector<Error> problems;
  for (const Served& served : served_) {
    auto done = read(served);
    if (done) continue;
    const bool known = std::any_of(problems.begin(), problems.end(), [&](const Error& problem) {
      return problem.text() == done.error().text();
    });
    if (!known) problems.push_back(done.error());
  }
  return problems;
}

void CertificatesWatch::read_changed() {
  const std::vector<Error> problems = read();
  for (const Error& problem : problems) {
    log::error("tls", "the certificate read last stays", {{"error", problem.text()}});
  }
  (problems.empty() ? read_ : refused_).add();
  if (problems.empty()) log::info("tls", "certificates read", {{"listeners", served_.size()}});
  warn();
}

void CertificatesWatch::warn() const {
  std::set<std::string> warnings;
  for (const Served& served : served_) {
    const auto context = *served.listener->tls.lock();
    warnings.insert(tls::expiry_warning(*context, served.identity.certificate_file, clock_.wall()));
  }
  warnings.erase("");
  for (const std::string& warning : warnings) {
    log::warning("tls", "a certificate is to be renewed", {{"why", warning}});
  }
}

}  // namespace postrider::daemon
