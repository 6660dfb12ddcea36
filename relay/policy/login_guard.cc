#include "relay/policy/login_guard.h"

#include <algorithm>
#include <utility>

#include "relay/policy/admission.h"

namespace postrider::policy {

namespace {

// A name may hold any octet but NUL.
std::string key_of_user(std::string_view user) {
  return "user" + std::string(1, '\0') + std::string(user);
}

}  // namespace

std::string LoginGuard::key_of(const IpAddress& client) {
  return "client" + std::string(1, '\0') + client_network(client).to_string();
}

// A memory that is old, or full, becomes the older one.
void LoginGuard::age(State& state, TimePoint now) const {
  if (now - state.begun < options_.memory && state.young.size() < kEntriesMax) return;
  state.old = std::exchange(state.young, {});
  state.begun = now;
}

LoginGuard::Entry& LoginGuard::entry(State& state, const std::string& key) const {
  const auto [it, added] = state.young.try_emplace(key);
  if (!added) return it->second;
  const auto before = state.old.find(key);
  if (before != state.old.end()) it->second = before->second;
  it->second.forgiven = 0;
  return it->second;
}

const LoginGuard::Entry* LoginGuard::find(const State& state, const std::string& key) {
  for (const Generation* generation : {&state.young, &state.old}) {
    const auto found = generation->find(key);
    if (found != generation->end()) return &found->second;
  }
  return nullptr;
}

std::optional<LoginGuard::Wait> LoginGuard::wait(const IpAddress& client, std::string_view user,
                                                 TimePoint now) {
  if (options_.failures_free == 0) return std::nullopt;
  auto state = state_.lock();
  age(*state, now);
  const Entry* of_client = find(*state, key_of(client));
  if (of_client != nullptr && of_client->free_at > now) {
    return Wait{Whose::kClient, of_client->free_at - now};
  }
  if (user.empty()) return std::nullopt;
  const Entry* of_both = find(*state, key_of(client) + key_of_user(user));
  if (of_both != nullptr && of_both->logged_in) return std::nullopt;
  const Entry* of_user = find(*state, key_of_user(user));
  if (of_user == nullptr || of_user->free_at <= now) return std::nullopt;
  return Wait{Whose::kUser, of_user->free_at - now};
}

void LoginGuard::count(State& state, const std::string& key, TimePoint now) const {
  Entry& counted = entry(state, key);
  ++counted.failures;
  if (counted.failures <= options_.failures_free) return;
  Duration backoff = options_.backoff_first;
  for (unsigned i = options_.failures_free + 1; i < counted.failures; ++i) {
    if (backoff >= options_.backoff_max) break;
    backoff *= 2;
  }
  counted.free_at = now + std::min(backoff, options_.backoff_max);
}

void LoginGuard::failed(const IpAddress& client, std::string_view user, TimePoint now) {
  if (options_.failures_free == 0) return;
  auto state = state_.lock();
  age(*state, now);
  count(*state, key_of(client), now);
  if (user.empty()) return;
  count(*state, key_of_user(user), now);
  ++entry(*state, key_of(client) + key_of_user(user)).failures;
}

// The user's failures are not forgiven, since they came from others.
void LoginGuard::succeeded(const IpAddress& client, std::string_view user, TimePoint now) {
  if (options_.failures_free == 0) return;
  auto state = state_.lock();
  age(*state, now);
  const std::string key = key_of(client);
  Entry& of_both = entry(*state, key + key_of_user(user));
  of_both.logged_in = true;
  const unsigned forgiven = std::min(of_both.failures, options_.failures_free - of_both.forgiven);
  if (forgiven == 0) return;
  of_both.failures -= forgiven;
  of_both.forgiven += forgiven;
  Entry& of_client = entry(*state, key);
  of_client.failures -= std::min(of_client.failures, forgiven);
  if (of_client.failures <= options_.failures_free) of_client.free_at = {};
}

}  // namespace postrider::policy
