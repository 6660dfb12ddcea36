#include "relay/auth/authenticator.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "relay/auth/keyed_digest.h"
#include "relay/auth/password.h"
#include "relay/auth/success_memory.h"
#include "relay/base/guarded.h"
#include "relay/base/thread_pool.h"

namespace postrider::auth {

namespace {

// A check that waits for a thread.
struct Request {
  std::string user;
  std::string password;
  Digest digest;  // of both, and of the user's verifier
  std::shared_ptr<const Users> users;
  Executor* reply_on;
  UniqueFunction<void(Verdict)> done;
  Trial trial;
};

void reply(Request request, Verdict verdict) {
  wipe(request.password);
  request.reply_on->post([done = std::move(request.done), verdict]() mutable { done(verdict); });
}

}  // namespace

struct Authenticator::State {
  State(Options given, const Clock& time, std::string_view secret)
      : options(std::move(given)),
        clock(time),
        users(std::make_shared<const Users>(options.users)),
        digests(secret),
        memory(SuccessMemory(options.remember_success, options.remembered_max)),
        places(std::max(1U, options.threads) + options.waiting_max),
        pool("passwords", std::max(1U, options.threads), options.waiting_max) {}

  bool remembered(const Digest& digest);
  void check(Request request);
  [[nodiscard]] bool is_right(const Request& request) const;
  [[nodiscard]] const User* stand_in(const Request& request) const;

  Options options;
  const Clock& clock;
  Guarded<std::shared_ptr<const Users>> users;
  KeyedDigest digests;
  Guarded<SuccessMemory> memory;
  const std::size_t places;
  ThreadPool pool;  // last: its jobs use what stands above
};

bool Authenticator::State::remembered(const Digest& digest) {
  return memory.lock()->holds(digest, clock.now());
}

// An unknown name is checked against the verifier of some user, always the same one for that name,
// and refused then: names that exist and names that do not are spread over the same costs.
const User* Authenticator::State::stand_in(const Request& request) const {
  const Digest digest = digests.of({"stand-in", request.user});
  std::uint64_t number = 0;
  std::memcpy(&number, digest.data(), sizeof number);
  return request.users->any(number);
}

bool Authenticator::State::is_right(const Request& request) const {
  const User* known = request.users->find(request.user);
  // One that logs in by certificate has no password to be right.
  if (known != nullptr && !known->has_password()) known = nullptr;
  const User* user = known != nullptr ? known : stand_in(request);
  if (user == nullptr) return false;
  const bool matches = user->plain_password.empty()
                           ? verify_password(request.password, user->password_hash)
                           : digests.equal(request.password, user->plain_password);
  return matches && known != nullptr;
}

// On a thread of the pool.
void Authenticator::State::check(Request request) {
  // Of many checks with one password that came together, the first one pays.
  if (remembered(request.digest)) return reply(std::move(request), Verdict::kAccepted);
  Trial& trial = request.trial;
  if (trial.may_begin && !trial.may_begin()) return reply(std::move(request), Verdict::kPutOff);
  if (is_right(request)) {
    memory.lock()->add(request.digest, clock.now());
    return reply(std::move(request), Verdict::kAccepted);
  }
  if (trial.was_wrong) trial.was_wrong();
  reply(std::move(request), Verdict::kRejected);
}

Authenticator::Authenticator(Options options, const Clock& clock, std::string_view secret)
    : state_(std::make_unique<State>(std::move(options), clock, secret)) {}

Authenticator::~Authenticator() = default;

void Authenticator::set_users(std::vector<User> users) {
  auto made = std::make_shared<const Users>(std::move(users));
  state_->users.lock()->swap(made);
}

std::shared_ptr<const Users> Authenticator::users() const {
  return *state_->users.lock();
}

const std::size_t& Authenticator::places() const {
  return state_->places;
}

ScramExchange Authenticator::begin_scram() const {
  return {users(), state_->digests};
}

void Authenticator::check(std::string user, std::string password, Executor& reply_on,
                          UniqueFunction<void(Verdict)> done, Trial trial) {
  const std::shared_ptr<const Users> users = this->users();
  const User* known = users->find(user);
  const std::string verifier =
      known == nullptr ? "" : known->password_hash + "\n" + known->plain_password;
  const Digest digest = state_->digests.of({user, password, verifier});
  Request request{std::move(user), std::move(password), digest,          users,
                  &reply_on,       std::move(done),     std::move(trial)};
  // Before the queue: who is known already gets in while strangers fill the pool.
  if (state_->remembered(digest)) return reply(std::move(request), Verdict::kAccepted);
  UniqueFunction<bool()>& may_wait = request.trial.may_wait;
  if (may_wait && !may_wait()) return reply(std::move(request), Verdict::kBusy);
  const auto turn = request.trial.comes_first ? ThreadPool::Turn::kFirst : ThreadPool::Turn::kUsual;
  auto waiting = std::make_shared<Request>(std::move(request));
  const bool taken = state_->pool.submit(
      [state = state_.get(), waiting](ThreadPool::Call call) {
        if (call == ThreadPool::Call::kRun) return state->check(std::move(*waiting));
        reply(std::move(*waiting), Verdict::kBusy);
      },
      turn);
  if (!taken) reply(std::move(*waiting), Verdict::kBusy);
}

}  // namespace postrider::auth
