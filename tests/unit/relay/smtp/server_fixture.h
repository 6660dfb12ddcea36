// A server session under test, told what the client says and asked what it answered.
#pragma once

#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "relay/smtp/server_session.h"

namespace postrider::smtp {

class ServerFixture : public testing::Test {
 protected:
  // A session after its greeting; set `options` before.
  ServerSession& session() {
    if (!session_) {
      session_.emplace(options);
      if (options.mode == ListenerMode::kSubmissions) session_->tls_established(kTls, now);
      session_->tell_time(told, now);
      session_->start(now);
      drain();
      said.clear();
    }
    return *session_;
  }

  // The client's line; returns what the server said to it.
  std::string client(std::string_view line) { return raw(std::string(line) + "\r\n"); }

  std::string raw(std::string_view bytes) {
    session();
    said.clear();
    const std::string copy(bytes);
    session_->receive(copy, now);
    drain();
    return said;
  }

  void hello() { EXPECT_EQ(client("EHLO c.test").substr(0, 3), "250"); }

  // Up to the point where DATA or BDAT may come.
  void envelope() {
    hello();
    EXPECT_EQ(client("MAIL FROM:<a@b.test>").substr(0, 3), "250");
    EXPECT_EQ(client("RCPT TO:<c@d.test>").substr(0, 3), "250");
  }

  void log_in() {
    hello();
    EXPECT_EQ(client("AUTH PLAIN AGFsaWNlAHNlY3JldA==").substr(0, 3), "235");
  }

  std::string answer(const message::Status& status) {
    said.clear();
    session().answer(status, now);
    drain();
    return said;
  }

  std::string advance(Duration by) {
    now += by;
    said.clear();
    session().tick(now);
    drain();
    return said;
  }

  void drain() {
    while (std::optional<ServerAction> action = session_->next()) {
      std::visit([this](auto& what) { take(what); }, *action);
    }
  }

  bool closed() const { return !close_reason.empty(); }

  inline static const TlsFacts kTls{"TLSv1.3", "TLS_AES_256_GCM_SHA384"};
  inline static const message::Status kYes{250, {2, 0, 0}, "Ok"};

  ServerOptions options = [] {
    ServerOptions defaults;
    defaults.host_name = "relay.test";
    defaults.mode = ListenerMode::kTrusted;
    return defaults;
  }();
  TimePoint now{std::chrono::hours(1)};
  WallTime told;        // what time it is when the session begins
  bool answers = true;  // yes to everything at once; false: the test answers
  std::string said;
  int sends = 0;
  std::string asked;  // the last thing asked
  std::string body;
  std::string aborted_or_committed;
  std::vector<const char*> parts;
  std::vector<std::string> refusals;  // "reason code"
  std::string close_reason;

 private:
  void ask(std::string what, const message::Status& yes) {
    asked = std::move(what);
    if (answers) session_->answer(yes, now);
  }

  void take(const Send& send) {
    said += send.bytes;
    ++sends;
  }

  void take(const AskTls& /*action*/) { ask("may tls", {220, {2, 0, 0}, "Ready to start TLS"}); }

  void take(const StartTls& /*action*/) { asked = "tls"; }

  void take(const AskCredentials& what) {
    ask(what.mechanism + " " + what.user + " " + what.password, {235, {2, 7, 0}, "Ok"});
  }

  void take(const AskScram& what) {
    asked = "scram " + what.message;
    if (answers) session_->challenge("re:" + what.message, "user", now);
  }

  void take(const AskIdentity& what) {
    asked = "identity " + what.identity;
    if (!answers) return;
    session_->identify(what.identity.empty() ? "alice" : what.identity);
    session_->answer({235, {2, 7, 0}, "Ok"}, now);
  }

  void take(const AskSender& /*action*/) { ask("sender", kYes); }

  void take(const AskRecipient& what) {
    ask("recipient " + what.recipient.address.to_string(), kYes);
  }

  void take(const BeginBody& /*action*/) {
    body.clear();
    parts.clear();
    aborted_or_committed.clear();
  }

  void take(const BodyPart& part) {
    body += part.bytes;
    parts.push_back(part.bytes.data());
  }

  void take(const AskCommit& /*action*/) {
    aborted_or_committed = "committed";
    ask("commit", kYes);
  }

  void take(const AbortBody& /*action*/) { aborted_or_committed = "aborted"; }

  void take(const Refused& what) {
    refusals.push_back(std::string(what.reason) + " " + std::to_string(what.code));
  }

  void take(const Close& what) { close_reason = what.reason; }

  std::optional<ServerSession> session_;
};

}  // namespace postrider::smtp
