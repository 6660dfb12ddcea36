#include "relay/auth/scram_client.h"

#include <algorithm>
#include <map>
#include <utility>

#include "relay/auth/keyed_digest.h"
#include "relay/auth/scram_parts.h"
#include "relay/base/ascii.h"
#include "relay/base/check.h"
#include "relay/base/guarded.h"
#include "relay/base/thread_pool.h"

namespace postrider::auth {

namespace {

constexpr std::size_t kSaltMax = 1024;
constexpr std::size_t kWaitingMax = 1000;
// Passwords and salts whose keys are remembered.
constexpr std::size_t kRememberedMax = 1000;
// The header "n,," in base64: no channel binding.
constexpr std::string_view kBinding = "c=biws,r=";

}  // namespace

ScramKeys derive_scram_keys(std::string_view password, const ScramSalt& salt) {
  const std::string salted = scram::salted(password, salt.salt, salt.iterations);
  return {scram::hmac(salted, "Client Key"), scram::hmac(salted, "Server Key")};
}

ScramClient::ScramClient(std::string_view user) : ScramClient(user, scram::fresh_nonce()) {}

ScramClient::ScramClient(std::string_view user, std::string_view nonce)
    : nonce_(nonce), first_bare_("n=" + scram::encode_name(user) + ",r=" + nonce_) {}

// "r=nonce,s=salt,i=iterations"; what stands behind them is an extension to ignore.
Result<ScramSalt> ScramClient::challenged(std::string_view message) {
  challenge_ = message;
  if (message.starts_with("m=")) return failure("the server wants an extension of SCRAM");
  const auto nonce = scram::take_attribute(message, 'r');
  const auto salt_text = scram::take_attribute(message, 's');
  const auto iterations_text = scram::take_attribute(message, 'i');
  if (!nonce || !salt_text || !iterations_text || !scram::is_nonce(*nonce)) {
    return failure("the server's challenge is none of SCRAM");
  }
  if (!nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) {
    return failure("the server's challenge is no answer to ours");
  }
  nonce_ = *nonce;
  const auto salt = ascii::base64_decode(*salt_text);
  const auto iterations = ascii::parse_u64(*iterations_text);
  if (!salt || salt->empty() || salt->size() > kSaltMax || !iterations) {
    return failure("the server's challenge is none of SCRAM");
  }
  if (*iterations < scram::kIterationsMin || *iterations > scram::kIterationsMax) {
    return failure("the server wants " + std::to_string(*iterations) + " iterations of SCRAM; " +
                   std::to_string(scram::kIterationsMin) + " to " +
                   std::to_string(scram::kIterationsMax) + " are allowed");
  }
  return ScramSalt{*salt, static_cast<unsigned>(*iterations)};
}

std::string ScramClient::prove(const ScramKeys& keys) {
  const std::string without_proof = std::string(kBinding) + nonce_;
  const std::string all = first_bare_ + "," + challenge_ + "," + without_proof;
  std::string proof = scram::hmac(scram::sha256(keys.client_key), all);
  for (std::size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ keys.client_key[i]);
  }
  signature_ = scram::hmac(keys.server_key, all);
  return without_proof + ",p=" + ascii::base64_encode(proof);
}

Result<void> ScramClient::verify(std::string_view message) const {
  PR_CHECK(has_proved());
  if (const auto error = scram::take_attribute(message, 'e')) {
    return failure("the server refuses the login: " + ascii::printable(*error, 100));
  }
  const auto text = scram::take_attribute(message, 'v');
  const auto shown = text ? ascii::base64_decode(*text) : std::nullopt;
  if (!shown || !KeyedDigest().equal(*shown, signature_)) {
    return failure("the server does not know the password that it asks for");
  }
  return {};
}

// --- The keyring ---

struct ScramKeyring::State {
  std::optional<ScramKeys> remembered(const Digest& digest) {
    auto held = memory.lock();
    const auto found = held->find(digest);
    return found == held->end() ? std::nullopt : std::optional<ScramKeys>(found->second);
  }

  void remember(const Digest& digest, const ScramKeys& keys) {
    auto held = memory.lock();
    if (held->size() >= kRememberedMax) held->clear();
    held->insert_or_assign(digest, keys);
  }

  KeyedDigest digests;
  Guarded<std::map<Digest, ScramKeys>> memory;
  Guarded<std::unique_ptr<ThreadPool>> pool;  // last: its jobs use what stands above
};

namespace {

struct Derivation {
  std::string password;
  ScramSalt salt;
  Digest digest;
  Executor* reply_on;
  UniqueFunction<void(std::optional<ScramKeys>)> done;
};

void hand_over(Derivation& request, std::optional<ScramKeys> keys) {
  wipe(request.password);
  request.reply_on->post([done = std::move(request.done), keys = std::move(keys)]() mutable {
    done(std::move(keys));
  });
}

}  // namespace

ScramKeyring::ScramKeyring() : state_(std::make_unique<State>()) {}

ScramKeyring::~ScramKeyring() {
  stop();
}

void ScramKeyring::derive(std::string password, ScramSalt salt, Executor& reply_on,
                          UniqueFunction<void(std::optional<ScramKeys>)> done) {
  const Digest digest = state_->digests.of({password, salt.salt, std::to_string(salt.iterations)});
  auto request = std::make_shared<Derivation>(
      Derivation{std::move(password), std::move(salt), digest, &reply_on, std::move(done)});
  if (auto keys = state_->remembered(digest)) return hand_over(*request, std::move(keys));
  auto held = state_->pool.lock();
  if (!*held) *held = std::make_unique<ThreadPool>("login-keys", 1, kWaitingMax);
  const bool taken = (*held)->submit([state = state_.get(), request](ThreadPool::Call call) {
    if (call == ThreadPool::Call::kStopped) return;
    // Of many connections that began together the first one pays.
    auto keys = state->remembered(request->digest);
    if (!keys) {
      keys = derive_scram_keys(request->password, request->salt);
      state->remember(request->digest, *keys);
    }
    hand_over(*request, std::move(keys));
  });
  if (!taken) hand_over(*request, std::nullopt);
}

void ScramKeyring::stop() {
  std::unique_ptr<ThreadPool> ended;
  state_->pool.lock()->swap(ended);
}

}  // namespace postrider::auth
