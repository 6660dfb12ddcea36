#include "relay/daemon/keys_watch.h"

#include <string>
#include <utility>
#include <vector>

#include "relay/base/log.h"

namespace postrider::daemon {

using metrics::Metric;

namespace {

std::vector<std::string> files_of(const signing::Options& options) {
  std::vector<std::string> files;
  files.reserve(options.keys.size());
  for (const signing::KeyOptions& key : options.keys) files.push_back(key.key_file);
  return files;
}

}  // namespace

Result<std::unique_ptr<KeysWatch>> KeysWatch::start(const signing::Options& options,
                                                    metrics::Registry& metrics, Duration interval) {
  std::unique_ptr<KeysWatch> watch(new KeysWatch(options, metrics, interval));
  auto keys = signing::Keyring::read(options.keys);
  if (!keys) return failure(keys.error());
  watch->signer_ = std::make_unique<signing::Signer>(options, *std::move(keys));
  if (!options.keys.empty()) watch->watch_.start();
  return watch;
}

KeysWatch::KeysWatch(const signing::Options& options, metrics::Registry& metrics, Duration interval)
    : read_(metrics.counter(Metric::kSigningKeysReads, "ok")),
      refused_(metrics.counter(Metric::kSigningKeysReads, "failed")),
      watch_(
          "dkim-keys", files_of(options), [this] { read(); }, interval) {}

void KeysWatch::read() {
  std::vector<Error> problems;
  signer_->set_keys(signer_->keys()->read_again(problems));
  for (const Error& problem : problems) {
    log::error("signing", "the key read last stays", {{"error", problem.text()}});
  }
  (problems.empty() ? read_ : refused_).add();
  if (problems.empty()) log::info("signing", "keys read", {{"keys", signer_->keys()->size()}});
}

}  // namespace postrider::daemon
