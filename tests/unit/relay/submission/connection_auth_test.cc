#include <functional>
#include <future>
#include <gmock/gmock.h>
#include <utility>

#include "relay/auth/password.h"
#include "relay/auth/scram.h"
#include "relay/auth/scram_client.h"
#include "relay/submission/connection.h"
#include "tests/unit/relay/submission/submission_fixture.h"

namespace postrider::submission {
namespace {

using metrics::Metric;
using ::testing::StartsWith;

using LoginTest = SubmissionTest;

TEST_F(LoginTest, CountsWrongPasswords) {
  use_submission();
  open();
  auto client = secured();
  EXPECT_EQ(say(*client, plain_login("wrong")), "535 5.7.8 User name or password is wrong\r\n");
  EXPECT_EQ(counted(Metric::kAuthentications, "rejected"), 1U);
  EXPECT_EQ(counted(Metric::kRepliesRefused, "auth_failed"), 1U);
}

TEST_F(LoginTest, GuessingGetsSlow) {
  use_submission();
  options_.login_guard.failures_free = 1;
  open();
  auto client = secured();
  EXPECT_TRUE(say(*client, plain_login("wrong")).starts_with("535 5.7.8"));
  EXPECT_TRUE(say(*client, plain_login("wrong")).starts_with("535 5.7.8"));
  // Whatever the password.
  EXPECT_TRUE(say(*client, plain_login("secret"))
                  .starts_with("421 4.7.0 Too many failed logins from your address; try again in"));
  EXPECT_EQ(counted(metrics::Metric::kAuthentications, "backoff"), 1U);
  EXPECT_EQ(counted(metrics::Metric::kAuthentications, "rejected"), 2U);
}

// So many clients log in at the same time; how many of their replies begin with `code`.
class ParallelLoginTest : public SubmissionTest {
 protected:
  ParallelLoginTest() {
    auth_options_.users[0].plain_password = "";
    auth_options_.users[0].password_hash = auth::hash_password("secret").value();
    options_.login_guard.failures_free = 3;
    use_submission();
  }

  void connect_clients() {
    for (int i = 0; i < 12; ++i) clients_.push_back(secured());
  }

  void all_say(const std::string& line) {
    for (const auto& client : clients_) client->send(line + "\r\n");
  }

  std::ptrdiff_t replies_with(std::string_view code) {
    std::ptrdiff_t found = 0;
    for (const auto& client : clients_) found += reply(*client).starts_with(code) ? 1 : 0;
    return found;
  }

  std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(ParallelLoginTest, GuessesAreNoMoreThanOneByOne) {
  open();
  connect_clients();
  all_say(plain_login("wrong"));
  EXPECT_EQ(replies_with("535 "), 4);
  EXPECT_EQ(counted(Metric::kAuthentications, "rejected"), 4U);
  EXPECT_EQ(counted(Metric::kAuthentications, "backoff"), 8U);
}

TEST_F(ParallelLoginTest, TheRightPasswordIsNeverPutOff) {
  open();
  connect_clients();
  all_say(plain_login("secret"));
  EXPECT_EQ(replies_with("235 "), 12);
}

TEST_F(ParallelLoginTest, AGuessCountsThoughItsClientHasGone) {
  open();
  connect_clients();
  all_say(plain_login("wrong"));
  ASSERT_TRUE(run_until([&] { return counted(Metric::kAuthentications, "rejected") > 0; }));
  clients_.clear();
  ASSERT_TRUE(run_until_empty());
  EXPECT_TRUE(run_until([&] {
    return shared_->login_guard.wait(*IpAddress::parse("127.0.0.1"), "", clock_.now()).has_value();
  }));
}

TEST_F(ParallelLoginTest, ScramExchangesThatBeganTogetherAreHeldToTheLimitToo) {
  auth_options_.users[0].scram_verifier = auth::make_scram_verifier("secret").value();
  open();
  connect_clients();
  all_say("AUTH SCRAM-SHA-256 " + ascii::base64_encode("n,,n=app,r=nonce"));
  for (const auto& client : clients_) {
    const std::string challenge = reply(*client);
    ASSERT_THAT(challenge, StartsWith("334 "));
    const std::string text = *ascii::base64_decode(challenge.substr(4, challenge.size() - 6));
    const std::string nonce = text.substr(0, text.find(','));
    client->send(ascii::base64_encode("c=biws," + nonce +
                                      ",p=" + ascii::base64_encode(std::string(32, 'x'))) +
                 "\r\n");
  }
  EXPECT_EQ(replies_with("535 "), 4);
  EXPECT_EQ(counted(Metric::kAuthentications, "backoff"), 8U);
}

// A login is good for the account as it was then.
class ChangedAccountTest : public SubmissionTest {
 protected:
  ChangedAccountTest() { use_submission(); }

  // The accounts are read anew, with "app" as `change` leaves it.
  void change_app(const std::function<void(auth::User&)>& change) {
    std::vector<auth::User> users = auth_options_.users;
    change(users[0]);
    authenticator_->set_users(std::move(users));
  }

  static void set_password(auth::User& user) { user.plain_password = "other"; }

  std::unique_ptr<Client> logged_in() {
    auto client = secured();
    EXPECT_THAT(say(*client, plain_login("secret")), StartsWith("235 "));
    return client;
  }

  static constexpr std::string_view kLogInAgain =
      "421 4.7.0 This account has gone or has other credentials since the login; log in again\r\n";
};

TEST_F(ChangedAccountTest, AnotherPasswordEndsASession) {
  open();
  auto client = logged_in();
  send_message(*client, "\r\ntext\r\n");
  EXPECT_THAT(reply(*client), StartsWith("250 "));
  change_app(set_password);
  EXPECT_EQ(say(*client, "MAIL FROM:<a@from.example>"), kLogInAgain);
  EXPECT_TRUE(run_until([&] { return client->ended; }));
  EXPECT_EQ(counted(Metric::kRepliesRefused, "account_changed"), 1U);
}

TEST_F(ChangedAccountTest, SoDoesItsEnd) {
  open();
  auto client = logged_in();
  authenticator_->set_users({});
  EXPECT_EQ(say(*client, "MAIL FROM:<a@from.example>"), kLogInAgain);
}

TEST_F(ChangedAccountTest, AMessageInProgressIsNotTaken) {
  open();
  auto client = logged_in();
  EXPECT_EQ(say(*client, "MAIL FROM:<a@from.example>"), "250 2.1.0 Ok\r\n");
  EXPECT_EQ(say(*client, "RCPT TO:<b@to.example>"), "250 2.1.5 Ok\r\n");
  EXPECT_THAT(say(*client, "DATA"), StartsWith("354 "));
  change_app(set_password);
  client->send("\r\ntext\r\n.\r\n");
  EXPECT_EQ(reply(*client), kLogInAgain);
  EXPECT_EQ(counted(Metric::kMessagesAccepted), 0U);
}

TEST_F(ChangedAccountTest, OtherRightsHoldForTheSessionsThereAre) {
  open();
  auto client = logged_in();
  change_app([](auth::User& user) { user.senders = {"other.example"}; });
  EXPECT_EQ(say(*client, "MAIL FROM:<a@from.example>"),
            "550 5.7.1 This user may not send as <a@from.example>\r\n");
  EXPECT_EQ(say(*client, "MAIL FROM:<a@other.example>"), "250 2.1.0 Ok\r\n");
}

TEST_F(ChangedAccountTest, AScramExchangeDoesNotProveAPasswordOfBefore) {
  auth_options_.users[0].scram_verifier = auth::make_scram_verifier("secret").value();
  open();
  auto client = secured();
  auth::ScramClient scram("app");
  const std::string challenge =
      say(*client, "AUTH SCRAM-SHA-256 " + ascii::base64_encode(scram.first()));
  ASSERT_THAT(challenge, StartsWith("334 "));
  const auto salt =
      scram.challenged(*ascii::base64_decode(challenge.substr(4, challenge.size() - 6)));
  ASSERT_TRUE(salt) << salt.error().text();
  change_app(
      [](auth::User& user) { user.scram_verifier = auth::make_scram_verifier("other").value(); });
  const std::string proof = scram.prove(auth::derive_scram_keys("secret", *salt));
  EXPECT_EQ(say(*client, ascii::base64_encode(proof)),
            "535 5.7.8 User name or password is wrong\r\n");
}

// The one thread that checks passwords is held, and eight checks may wait for it.
class CrowdedLoginTest : public SubmissionTest {
 protected:
  CrowdedLoginTest() {
    auth_options_.waiting_max = 8;
    auth_options_.remember_success = Seconds(0);
    use_submission();
  }

  ~CrowdedLoginTest() override { release_checks(); }

  void hold_checks() {
    std::promise<void> entered;
    authenticator_->check("nobody", "", inline_, [this, &entered](auth::Verdict) {
      entered.set_value();
      go_on_.get_future().wait();
    });
    entered.get_future().wait();
  }

  void release_checks() {
    if (!std::exchange(released_, true)) go_on_.set_value();
  }

  // One from this address, through TLS.
  std::unique_ptr<Client> client_from(const std::string& address) {
    auto client = connect_proxied();
    client->send("PROXY TCP4 " + address + " 10.0.0.1 12345 587\r\n");
    EXPECT_THAT(reply(*client), StartsWith("220 "));
    EXPECT_THAT(say(*client, "EHLO client.example"), StartsWith("250-"));
    EXPECT_THAT(say(*client, "STARTTLS"), StartsWith("220 "));
    client->start_tls();
    EXPECT_TRUE(run_until([&] { return client->in_tls(); }));
    EXPECT_THAT(say(*client, "EHLO client.example"), StartsWith("250-"));
    return client;
  }

  // Logs in without waiting for the answer.
  void crowd_from(const std::string& address) {
    crowd_.push_back(client_from(address));
    crowd_.back()->send(plain_login("wrong") + "\r\n");
  }

  // So many of the crowd have been told to come again.
  bool run_until_refused(std::size_t number) {
    return run_until([&] { return counted(Metric::kAuthentications, "busy") == number; });
  }

  std::vector<std::unique_ptr<Client>> crowd_;
  InlineExecutor inline_;
  std::promise<void> go_on_;
  bool released_ = false;
};

TEST_F(CrowdedLoginTest, OneClientLeavesPlacesToOthers) {
  open();
  auto other = client_from("192.0.2.2");
  hold_checks();
  for (int i = 0; i < 10; ++i) crowd_from("192.0.2.1");
  ASSERT_TRUE(run_until_refused(5));
  other->send(plain_login("secret") + "\r\n");
  ASSERT_TRUE(run_until([&] { return shared_->logins.taken() == 6; }));
  release_checks();
  EXPECT_THAT(reply(*other), StartsWith("235 "));
}

TEST_F(CrowdedLoginTest, ManyClientsLeavePlacesToThoseKnown) {
  open();
  auto known = client_from("192.0.2.100");
  EXPECT_THAT(say(*known, plain_login("secret")), StartsWith("235 "));
  known = client_from("192.0.2.100");
  hold_checks();
  for (int i = 1; i < 15; ++i) crowd_from("192.0.2." + std::to_string(i));
  ASSERT_TRUE(run_until_refused(6));
  known->send(plain_login("secret") + "\r\n");
  ASSERT_TRUE(run_until([&] { return shared_->known_logins.taken() == 1; }));
  release_checks();
  EXPECT_THAT(reply(*known), StartsWith("235 "));
  EXPECT_EQ(shared_->known_logins.taken(), 0U);
}

TEST_F(LoginTest, PutsLoginsOffWhenTheyCannotBeChecked) {
  auth_options_.waiting_max = 0;
  use_submission();
  open();
  auto client = secured();
  EXPECT_THAT(say(*client, plain_login("secret")), StartsWith("454 4.7.0 "));
  EXPECT_EQ(counted(Metric::kAuthentications, "busy"), 1U);
}

}  // namespace
}  // namespace postrider::submission
