// The engine under test is the server: `C:` lines are fed to it, `S:` lines expected of it.
#include <map>
#include <variant>

#include "relay/base/ascii.h"
#include "relay/smtp/server_session.h"
#include "tests/dialogs/player.h"

namespace postrider::dialogs {

namespace {

using message::Status;

struct Accepted {
  std::string route;  // "<sender> <recipient> ..."
  std::string text;
};

// "550 5.1.1 No such user".
Status parse_status(std::string_view text) {
  Status status;
  status.code = static_cast<int>(ascii::parse_u64(text.substr(0, 3)).value_or(0));
  const std::size_t space = text.find(' ', 4);
  if (const auto enhanced = message::EnhancedCode::parse(text.substr(4, space - 4))) {
    status.enhanced = *enhanced;
    status.text = text.substr(space + 1);
  }
  return status;
}

class ServerPlay {
 public:
  ServerPlay(const Exchange& exchange, Pace& pace)
      : exchange_(exchange), pace_(pace), session_(prepare(exchange)) {}

  Failure run();

 private:
  const smtp::ServerOptions& prepare(const Exchange& exchange);
  void set_limit(const std::string& name, std::uint64_t value);
  Failure play_line(std::size_t& at);
  Failure directive(const std::string& text);
  Failure feed(const std::string& bytes);
  Failure drain();
  // What the session tells us to do; one an action.
  Failure take(const smtp::Send& send);
  Failure take(const smtp::AskTls& action);
  Failure take(const smtp::StartTls& action);
  Failure take(const smtp::AskCredentials& asked);
  Failure take(const smtp::AskScram& asked);
  Failure take(const smtp::AskIdentity& asked);
  Failure take(const smtp::AskSender& action);
  Failure take(const smtp::AskRecipient& asked);
  Failure take(const smtp::BeginBody& action);
  Failure take(const smtp::BodyPart& part);
  Failure take(const smtp::AskCommit& action);
  Failure take(const smtp::AbortBody& action);
  Failure take(const smtp::Refused& refused);
  Failure take(const smtp::Close& closed);
  void ask(Status verdict);
  [[nodiscard]] smtp::TlsFacts facts() const;
  [[nodiscard]] Status verdict_on(const std::string& what, const std::string& value,
                                  Status fallback) const;
  Failure expect_message(std::size_t& at);
  [[nodiscard]] std::string route() const;

  const Exchange& exchange_;
  Pace& pace_;
  smtp::ServerOptions options_;
  std::map<std::string, std::string> users_;
  smtp::ServerSession session_;
  TimePoint now_ = TimePoint(std::chrono::hours(1));
  Heard heard_;
  std::string scram_user_;         // of the exchange in progress
  std::optional<Status> verdict_;  // asked for, not given yet
  bool tls_wanted_ = false;
  bool whole_ = false;
  bool body_open_ = false;
  std::string body_;
  std::deque<Accepted> accepted_;
  std::optional<std::string> close_reason_;
  bool close_seen_ = false;  // the transcript knows of it
};

const smtp::ServerOptions& ServerPlay::prepare(const Exchange& exchange) {
  options_.host_name = "relay.test";
  const std::string mode = exchange.setting("listener", "submission");
  if (mode == "submissions") options_.mode = smtp::ListenerMode::kSubmissions;
  if (mode == "trusted") options_.mode = smtp::ListenerMode::kTrusted;
  options_.tls_available = exchange.setting("certificate", "yes") == "yes";
  for (auto [it, end] = exchange.settings.equal_range("user"); it != end; ++it) {
    const std::vector<std::string> words = words_of(it->second);
    users_[words.at(0)] = words.at(1);
  }
  for (auto [it, end] = exchange.settings.equal_range("limit"); it != end; ++it) {
    const std::size_t equals = it->second.find('=');
    set_limit(it->second.substr(0, equals),
              ascii::parse_u64(it->second.substr(equals + 1)).value_or(0));
  }
  return options_;
}

void ServerPlay::set_limit(const std::string& name, std::uint64_t value) {
  const auto small = static_cast<unsigned>(value);
  if (name == "recipients_max") options_.recipients_max = value;
  if (name == "message_size_max") options_.message_size_max = value;
  if (name == "messages_max") options_.messages_max = small;
  if (name == "errors_max") options_.errors_max = small;
  if (name == "auth_failures_max") options_.auth_failures_max = small;
  if (name == "received_max") options_.received_max = small;
  if (name == "text_line_max") options_.text_line_max = value;
  if (name == "command_line_max") options_.command_line_max = value;
  if (name == "auth_line_max") options_.auth_line_max = value;
  if (name == "data_deadline") options_.data_deadline = Seconds(value);
  if (name == "data_rate_min") options_.data_rate_min = value;
  if (name == "future_release_max") options_.future_release_max = Seconds(value);
  if (name == "idle_commands_max") options_.idle_commands_max = small;
}

Failure ServerPlay::run() {
  if (options_.mode == smtp::ListenerMode::kSubmissions) {
    session_.tls_established(facts(), now_);
  }
  session_.offer_scram(exchange_.setting("scram", "no") == "yes");
  session_.tell_time(WallTime(Seconds(1795299303)), now_);  // 2026-11-21T22:15:03Z
  session_.start(now_);
  if (Failure failed = drain()) return failed;
  for (std::size_t at = 0; at < exchange_.lines.size();) {
    const int number = exchange_.lines[at].number;
    if (Failure failed = play_line(at)) return "line " + std::to_string(number) + ": " + *failed;
  }
  if (Failure failed = heard_.expect_silence()) return "at the end: " + *failed;
  if (!accepted_.empty()) return "a message was accepted that the transcript does not know";
  if (close_reason_ && !close_seen_) return "closed, for '" + *close_reason_ + "'";
  return std::nullopt;
}

Failure ServerPlay::play_line(std::size_t& at) {
  const Line& line = exchange_.lines[at];
  switch (line.kind) {
    case LineKind::kServer:
      ++at;
      return heard_.expect(line.text);
    case LineKind::kMessage:
      return expect_message(at);
    case LineKind::kDirective:
      ++at;
      return directive(line.text);
    case LineKind::kClient:
    case LineKind::kClientRaw:
      break;
    default:
      return "this line has no meaning where the server is tested";
  }
  if (Failure failed = heard_.expect_silence()) return failed;
  std::string bytes;  // lines that follow each other are one batch
  for (; at < exchange_.lines.size(); ++at) {
    const Line& next = exchange_.lines[at];
    if (next.kind != LineKind::kClient && next.kind != LineKind::kClientRaw) break;
    bytes += unescape(next.text);
    if (next.kind == LineKind::kClient) bytes += "\r\n";
  }
  return feed(bytes);
}

Failure ServerPlay::directive(const std::string& text) {
  const std::vector<std::string> words = words_of(text);
  const std::string& word = words.at(0);
  if (word == "WHOLE") {
    whole_ = true;
  } else if (word == "TLS") {
    if (!tls_wanted_) return "the session did not ask for TLS";
    tls_wanted_ = false;
    session_.tls_established(facts(), now_);
  } else if (word == "WAIT") {
    now_ += parse_wait(words.at(1));
    session_.tick(now_);
  } else if (word == "EOF") {
    session_.end_of_input(now_);
  } else if (word == "SHUTDOWN") {
    session_.shut_down(now_);
  } else if (word == "CLOSED") {
    close_seen_ = true;
    if (!close_reason_) return "the session is still open";
    if (words.size() > 1 && *close_reason_ != words[1])
      return "closed, for '" + *close_reason_ + "'";
  } else {
    return "unknown directive " + word;
  }
  return drain();
}

Failure ServerPlay::feed(const std::string& bytes) {
  const std::vector<std::string_view> pieces =
      whole_ ? std::vector<std::string_view>{bytes} : pace_.pieces(bytes);
  whole_ = false;
  for (const std::string_view piece : pieces) {
    if (close_reason_) return std::nullopt;  // what comes behind a close is not read
    if (!session_.wants_input()) return "the session wants no input though nothing is pending";
    // A copy that dies afterwards: a view kept too long shows under the sanitizer.
    const std::string copy(piece);
    session_.receive(copy, now_);
    if (Failure failed = drain()) return failed;
  }
  return std::nullopt;
}

Failure ServerPlay::drain() {
  for (;;) {
    while (std::optional<smtp::ServerAction> action = session_.next()) {
      if (close_reason_) return "an action after Close";
      if (Failure failed = std::visit([this](auto& what) { return take(what); }, *action)) {
        return failed;
      }
      if (verdict_ && !pace_.late_answers) {
        session_.answer(*std::exchange(verdict_, std::nullopt), now_);
      }
    }
    if (!verdict_) return std::nullopt;
    session_.answer(*std::exchange(verdict_, std::nullopt), now_);
  }
}

Failure ServerPlay::take(const smtp::Send& send) {
  if (!heard_.add(send.bytes)) return "a bare CR or LF in a reply";
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::AskTls& /*action*/) {
  ask(verdict_on("tls", "", {220, {2, 0, 0}, "Ready to start TLS"}));
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::StartTls& /*action*/) {
  tls_wanted_ = true;
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::AskCredentials& asked) {
  const auto user = users_.find(asked.user);
  const bool good = user != users_.end() && user->second == asked.password;
  ask(good ? Status{235, {2, 7, 0}, "Authentication succeeded"}
           : Status{535, {5, 7, 8}, "User name or password is wrong"});
  return std::nullopt;
}

// Each message is echoed until an empty one ends the exchange; "bad" fails it. What real messages
// mean is tested with relay/auth.
Failure ServerPlay::take(const smtp::AskScram& asked) {
  if (asked.first != scram_user_.empty()) return "a SCRAM exchange begins or goes on wrongly";
  if (asked.message.empty() || asked.message == "bad") {
    scram_user_.clear();
    ask(asked.message.empty() ? Status{235, {2, 7, 0}, "Authentication succeeded"}
                              : Status{535, {5, 7, 8}, "Authentication credentials invalid"});
    return std::nullopt;
  }
  scram_user_ = "alice";
  session_.challenge("re:" + asked.message, scram_user_, now_);
  return std::nullopt;
}

// The certificate is that of the user that the setting names.
Failure ServerPlay::take(const smtp::AskIdentity& asked) {
  const std::string holder = exchange_.setting("holder", "");
  const bool good = asked.identity.empty() || asked.identity == holder;
  if (good) session_.identify(holder);
  ask(good ? Status{235, {2, 7, 0}, "Authentication succeeded"}
           : Status{535, {5, 7, 8}, "The certificate is not that of this user"});
  return std::nullopt;
}

smtp::TlsFacts ServerPlay::facts() const {
  smtp::TlsFacts facts{"TLSv1.3", "TLS_AES_256_GCM_SHA384"};
  facts.external = facts.verified = !exchange_.setting("holder", "").empty();
  return facts;
}

Failure ServerPlay::take(const smtp::AskSender& /*action*/) {
  ask(verdict_on("sender", session_.envelope().sender.to_string(), {250, {2, 1, 0}, "Ok"}));
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::AskRecipient& asked) {
  ask(verdict_on("recipient", asked.recipient.address.to_string(), {250, {2, 1, 5}, "Ok"}));
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::BeginBody& /*action*/) {
  if (body_open_) return "BeginBody within a body";
  body_open_ = true;
  body_.clear();
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::BodyPart& part) {
  if (!body_open_) return "BodyPart outside a body";
  body_ += part.bytes;
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::AskCommit& /*action*/) {
  if (!body_open_) return "AskCommit outside a body";
  body_open_ = false;
  const Status verdict = verdict_on("commit", "", {250, {2, 0, 0}, "Ok: queued as 1"});
  if (verdict.is_positive()) accepted_.push_back({route(), body_});
  ask(verdict);
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::AbortBody& /*action*/) {
  if (!body_open_) return "AbortBody outside a body";
  body_open_ = false;
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::Refused& refused) {
  if (refused.reason.empty()) return "a refusal without a reason";
  return std::nullopt;
}

Failure ServerPlay::take(const smtp::Close& closed) {
  if (body_open_) return "closed without AbortBody";
  close_reason_ = closed.reason;
  return std::nullopt;
}

void ServerPlay::ask(Status verdict) {
  verdict_ = std::move(verdict);
}

// A setting "deny: recipient nobody@example.org 550 5.1.1 No such user" overrides `fallback`.
Status ServerPlay::verdict_on(const std::string& what, const std::string& value,
                              Status fallback) const {
  const std::string subject = value.empty() ? what + " " : what + " " + value + " ";
  for (auto [it, end] = exchange_.settings.equal_range("deny"); it != end; ++it) {
    if (it->second.rfind(subject, 0) == 0) return parse_status(it->second.substr(subject.size()));
  }
  return fallback;
}

std::string ServerPlay::route() const {
  std::string route = "<" + session_.envelope().sender.to_string() + ">";
  for (const message::Recipient& recipient : session_.recipients()) {
    const message::Address& address = recipient.address;
    route += " <" + (address.domain.empty() ? address.local : address.to_string()) + ">";
  }
  return route;
}

Failure ServerPlay::expect_message(std::size_t& at) {
  const std::string& expected = exchange_.lines[at++].text;
  std::string text;
  bool any_text = false;
  for (; at < exchange_.lines.size() && exchange_.lines[at].kind == LineKind::kText; ++at) {
    text += unescape(exchange_.lines[at].text) + "\r\n";
    any_text = true;
  }
  if (accepted_.empty()) return "no message was accepted";
  const Accepted message = accepted_.front();
  accepted_.pop_front();
  if (message.route != expected) return "the message is of " + message.route;
  if (any_text && message.text != text) {
    return "the message reads '" + ascii::printable(message.text) + "'";
  }
  return std::nullopt;
}

}  // namespace

Failure play_server(const Exchange& exchange, Pace pace) {
  return ServerPlay(exchange, pace).run();
}

}  // namespace postrider::dialogs
