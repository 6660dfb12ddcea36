#include "relay/signing/signer.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace postrider::signing {

namespace {

unsigned threads_of(const Options& options) {
  return options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
}

Outcome carry_out(Signer::Job& job) {
  auto fields = signature_fields(job.signings, job.header, job.body, job.now, std::move(job.begun));
  if (!fields) return {Outcome::Kind::kFailed, {}, fields.error().text()};
  return {Outcome::Kind::kSigned, *std::move(fields), {}};
}

}  // namespace

Signer::Signer(const Options& options, std::shared_ptr<const Keyring> keys)
    : keys_(std::move(keys)), pool_("signing", threads_of(options), options.waiting_max) {}

void Signer::set_keys(std::shared_ptr<const Keyring> keys) {
  keys_.lock()->swap(keys);
}

std::shared_ptr<const Keyring> Signer::keys() const {
  return *keys_.lock();
}

bool Signer::sign(Job& job) {
  auto moved = std::make_shared<Job>(std::move(job));
  const bool taken = pool_.submit([moved](ThreadPool::Call call) {
    Outcome outcome;
    if (call == ThreadPool::Call::kRun) outcome = carry_out(*moved);
    moved->done(std::move(outcome), std::move(moved->header));
  });
  if (!taken) job = std::move(*moved);
  return taken;
}

void Signer::digest(Part part) {
  pool_.post([part = std::move(part)](ThreadPool::Call call) mutable {
    if (call == ThreadPool::Call::kStopped) return part.done({});
    part.digests.feed(part.body);
    part.body = {};
    part.done(std::move(part.digests));
  });
}

}  // namespace postrider::signing
