// Connection: logins.
#include <chrono>
#include <string>
#include <utility>

#include "relay/base/log.h"
#include "relay/submission/connection.h"

namespace postrider::submission {

bool Connection::put_off(std::string_view user) {
  const auto wait = receiver_.shared().login_guard.wait(peer_.ip, user, now());
  if (wait) refuse_login(*wait);
  return wait.has_value();
}

void Connection::refuse_login(const policy::LoginGuard::Wait& wait) {
  receiver_.counters().auth_backoff.add();
  const auto seconds = std::to_string(std::chrono::ceil<Seconds>(wait.left).count());
  if (wait.whose == policy::LoginGuard::Whose::kClient) {
    session_.answer({421,
                     {4, 7, 0},
                     "Too many failed logins from your address; try again in " + seconds + " s"},
                    now());
  } else {
    session_.answer(
        {454, {4, 7, 0}, "Too many failed logins as this user; try again in " + seconds + " s"},
        now());
  }
}

// Failures count even where the client has not waited for the answer. A flood of strangers fills
// neither the places of those who are known nor, from one network, all others.
auth::Trial Connection::trial_of(const std::string& user) {
  Shared& shared = receiver_.shared();
  policy::LoginGuard& guard = shared.login_guard;
  const Clock& clock = shared.clock;
  const bool is_known = guard.has_logged_in(peer_.ip, user, now());
  policy::ClientSeats& seats = is_known ? shared.known_logins : shared.logins;
  return {[&guard, &clock, client = peer_.ip, user] {
            return !guard.wait(client, user, clock.now()).has_value();
          },
          [&guard, &clock, client = peer_.ip, user] { guard.failed(client, user, clock.now()); },
          [&seats, client = peer_.ip, seat = policy::ClientSeats::Seat()]() mutable {
            seat = seats.take(client);
            return seat != nullptr;
          },
          is_known};
}

void Connection::carry_out(smtp::AskCredentials& action) {
  if (put_off(action.user)) return;
  intake_.log_in(receiver_.shared().authenticator.users()->credentials(action.user));
  std::string user = action.user;
  auth::Trial trial = trial_of(user);
  receiver_.shared().authenticator.check(
      std::move(action.user), std::move(action.password), receiver_.loop(),
      [&receiver = receiver_, id = id_, user = std::move(user)](auth::Verdict verdict) {
        Connection* self = receiver.find(id);
        if (self == nullptr || self->phase_ != Phase::kOpen) return;
        self->credentials_checked(verdict, user);
        self->drain();
      },
      std::move(trial));
}

void Connection::decide(bool accepted, const std::string& user, std::string_view wrong) {
  if (!accepted) receiver_.shared().login_guard.failed(peer_.ip, user, now());
  credentials_checked(accepted ? auth::Verdict::kAccepted : auth::Verdict::kRejected, user, wrong);
}

void Connection::credentials_checked(auth::Verdict verdict, const std::string& user,
                                     std::string_view wrong) {
  policy::LoginGuard& guard = receiver_.shared().login_guard;
  const Receiver::Counters& counters = receiver_.counters();
  switch (verdict) {
    case auth::Verdict::kAccepted:
      counters.auth_accepted.add();
      guard.succeeded(peer_.ip, user, now());
      return session_.answer({235, {2, 7, 0}, "Authentication successful"}, now());
    case auth::Verdict::kRejected:
      counters.auth_rejected.add();
      log::info("submission", "authentication failed", {{"peer", peer_.to_string()}});
      return session_.answer({535, {5, 7, 8}, std::string(wrong)}, now());
    case auth::Verdict::kPutOff:
      // Its wait may be over by now.
      return refuse_login(
          guard.wait(peer_.ip, user, now())
              .value_or(policy::LoginGuard::Wait{policy::LoginGuard::Whose::kUser, Seconds(1)}));
    case auth::Verdict::kBusy:
      counters.auth_busy.add();
      return session_.answer(
          {454, {4, 7, 0}, "Too many logins are waiting to be checked; try again soon"}, now());
  }
}

// What TLS has verified is all that counts; a name that is not the certificate's is refused like a
// wrong password.
void Connection::carry_out(const smtp::AskIdentity& action) {
  if (put_off(action.identity)) return;
  const auto users = receiver_.shared().authenticator.users();
  const auth::User* user = users->holder(tls_->facts().names, action.identity);
  if (user != nullptr) {
    intake_.log_in(users->credentials(user->name));
    session_.identify(user->name);
  }
  decide(user != nullptr, user != nullptr ? user->name : action.identity,
         "The client's certificate is not that of this user");
}

bool Connection::scram_is_outdated() const {
  const auto users = receiver_.shared().authenticator.users();
  return users->credentials(scram_->user()) != scram_->credentials();
}

void Connection::carry_out(const smtp::AskScram& action) {
  // Others may have failed since the exchange began.
  if (!action.first && scram_->awaits_proof() && put_off(scram_->user())) return;
  if (!action.first && scram_is_outdated()) return decide(false, scram_->user());
  if (action.first) scram_.emplace(receiver_.shared().authenticator.begin_scram());
  const auth::ScramExchange::Step step = scram_->respond(action.message);
  if (action.first) intake_.log_in(scram_->credentials());
  if (step == auth::ScramExchange::Step::kChallenge) {
    if (action.first && put_off(scram_->user())) return;
    return session_.challenge(scram_->challenge(), scram_->user(), now());
  }
  if (step == auth::ScramExchange::Step::kMalformed) {
    return session_.answer({501, {5, 5, 2}, "Malformed authentication response"}, now());
  }
  decide(step == auth::ScramExchange::Step::kAccepted, scram_->user());
}

}  // namespace postrider::submission
