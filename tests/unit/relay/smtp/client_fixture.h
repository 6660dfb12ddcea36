// A client session under test, told what the server says and asked what it did.
#pragma once

#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "relay/smtp/client_session.h"

namespace postrider::smtp {

class ClientFixture : public testing::Test {
 protected:
  ClientSession& session() {
    if (!session_) {
      session_.emplace(options);
      session_->start(now, tls);
      drain();
    }
    return *session_;
  }

  // The server's line; returns what the client said to it.
  std::string server(std::string_view line) { return raw(std::string(line) + "\r\n"); }

  std::string raw(std::string_view bytes) {
    session();
    said.clear();
    session_->receive(bytes, now);
    drain();
    return said;
  }

  // Up to Ready, with `keywords` as lines of the reply to EHLO or LHLO: "PIPELINING\nDSN".
  void hello(std::string_view keywords = "") {
    const std::string verb = options.protocol == Protocol::kLmtp ? "LHLO" : "EHLO";
    EXPECT_EQ(server("220 mx.test ESMTP"), verb + " relay.test\r\n");
    std::string reply = "250-mx.test\r\n";
    while (!keywords.empty()) {
      const std::size_t end = keywords.find('\n');
      reply += "250-" + std::string(keywords.substr(0, end)) + "\r\n";
      keywords = end == std::string_view::npos ? "" : keywords.substr(end + 1);
    }
    raw(reply + "250 HELP\r\n");
    EXPECT_TRUE(ready);
  }

  std::string send(std::vector<std::string> recipients, std::string text = "x\r\n") {
    Transaction transaction;
    transaction.envelope = envelope;
    for (std::string& local : recipients) {
      transaction.recipients.push_back({{std::move(local), "d.test"}, 0, ""});
    }
    transaction.body = message::Body(std::move(text));
    transaction.pieces = std::exchange(text_in_pieces_, std::nullopt);
    said.clear();
    ready = false;
    done.reset();
    session().send(std::move(transaction), now);
    drain();
    return said;
  }

  // The same with a text that comes in pieces.
  std::string send_in_pieces(std::vector<std::string> recipients,
                             const std::vector<std::string>& pieces) {
    TextSurvey survey;
    for (const std::string& piece : pieces) survey.feed(message::Body(piece));
    text_in_pieces_ = survey.finish();
    return send(std::move(recipients), "");
  }

  // Answers the session's question for text; returns what it said then.
  std::string piece(std::string text) {
    said.clear();
    text_asked = false;
    session().text(message::Body(std::move(text)), now);
    drain();
    return said;
  }

  // Answers what the session asked; returns what it said then.
  std::string scram(std::string_view message) {
    said.clear();
    session().scram_message(message, now);
    drain();
    return said;
  }

  void advance(Duration by) {
    now += by;
    session().tick(now);
    drain();
  }

  void drain() {
    while (std::optional<ClientAction> action = session_->next()) {
      std::visit([this](auto& what) { take(what); }, *action);
    }
  }

  // "550 5.1.1 text at stage" of recipient `at`.
  std::string result(std::size_t at) const {
    if (!done || done->results.size() <= at) return "(none)";
    const RecipientResult& result = done->results[at];
    return std::to_string(result.status.code) + " at " + std::string(name_of(result.stage));
  }

  ClientOptions options = [] {
    ClientOptions defaults;
    defaults.helo_name = "relay.test";
    defaults.start_tls = StartTlsUse::kNever;
    return defaults;
  }();
  std::optional<TlsFacts> tls;
  TimePoint now{std::chrono::hours(1)};
  message::Envelope envelope = [] {
    message::Envelope defaults;
    defaults.sender = {"a", "b.test"};
    return defaults;
  }();
  bool reports_sent = true;  // false: nothing gets out
  std::string said;
  std::vector<Chunk> chunks;  // of the last SendChunks
  bool ready = false;
  bool tls_wanted = false;
  std::optional<AskScram> scram_asked;
  bool text_asked = false;
  std::optional<TransactionDone> done;
  std::optional<Ended> ended;

 private:
  void take(const SendChunks& send) {
    chunks = send.chunks;
    for (const Chunk& chunk : send.chunks) said += chunk.view();
    if (reports_sent) session_->sent(now);
  }

  void take(const StartTls& /*action*/) { tls_wanted = true; }

  void take(const AskScram& asked) { scram_asked = asked; }

  void take(const AskText& /*action*/) { text_asked = true; }

  void take(const Ready& /*action*/) { ready = true; }

  void take(const TransactionDone& what) { done = what; }

  void take(const Ended& what) { ended = what; }

  std::optional<TextFacts> text_in_pieces_;
  std::optional<ClientSession> session_;
};

}  // namespace postrider::smtp
