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

std::string LoginGuard::key_of(const IpAddress& client, std::string_view user) {
  return key_of(client) + key_of_user(user);
}

// A generation that is old, or full, becomes the older one.
void LoginGuard::age(Memory& memory, TimePoint now) const {
  if (now - memory.begun < options_.memory && memory.young.size() < kEntriesMax) return;
  memory.old = std::exchange(memory.young, {});
  memory.begun = now;
}

void LoginGuard::age(State& state, TimePoint now) const {
  age(state.failures, now);
  age(state.successes, now);
}

LoginGuard::Entry& LoginGuard::entry(Memory& memory, const std::string& key) {
  const auto [it, added] = memory.young.try_emplace(key);
  if (!added) return it->second;
  const auto before = memory.old.find(key);
  if (before != memory.old.end()) it->second = before->second;
  it->second.forgiven = 0;
  return it->second;
}

const LoginGuard::Entry* LoginGuard::find(const Memory& memory, const std::string& key) {
  for (const Generation* generation : {&memory.young, &memory.old}) {
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
  const Entry* of_client = find(state->failures, key_of(client));
  if (of_client != nullptr && of_client->free_at > now) {
    return Wait{Whose::kClient, of_client->free_at - now};
  }
  if (user.empty()) return std::nullopt;
  if (find(state->successes, key_of(client, user)) != nullptr) return std::nullopt;
  const Entry* of_user = find(state->failures, key_of_user(user));
  if (of_user == nullptr || of_user->free_at <= now) return std::nullopt;
  return Wait{Whose::kUser, of_user->free_at - now};
}

void LoginGuard::count(Memory& failures, const std::string& key, TimePoint now) const {
  Entry& counted = entry(failures, key);
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
  Memory& failures = state->failures;
  count(failures, key_of(client), now);
  if (user.empty()) return;
  count(failures, key_of_user(user), now);
  ++entry(failures, key_of(client, user)).failures;
}

// The user's failures are not forgiven, since they came from others.
void LoginGuard::succeeded(const IpAddress& client, std::string_view user, TimePoint now) {
  auto state = state_.lock();
  age(*state, now);
  entry(state->successes, key_of(client, user));
  if (options_.failures_free == 0) return;
  Memory& failures = state->failures;
  Entry& of_both = entry(failures, key_of(client, user));
  const unsigned forgiven = std::min(of_both.failures, options_.failures_free - of_both.forgiven);
  if (forgiven == 0) return;
  of_both.failures -= forgiven;
  of_both.forgiven += forgiven;
  Entry& of_client = entry(failures, key_of(client));
  of_client.failures -= std::min(of_client.failures, forgiven);
  if (of_client.failures <= options_.failures_free) of_client.free_at = {};
}

bool LoginGuard::has_logged_in(const IpAddress& client, std::string_view user, TimePoint now) {
  auto state = state_.lock();
  age(*state, now);
  return find(state->successes, key_of(client, user)) != nullptr;
}

}  // namespace postrider::policy
