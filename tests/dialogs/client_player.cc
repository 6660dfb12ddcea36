// The engine under test is the client: `S:` lines are fed to it, `C:` lines expected of it.
#include <variant>

#include "relay/auth/scram_client.h"
#include "relay/base/ascii.h"
#include "relay/smtp/client_session.h"
#include "tests/dialogs/player.h"

namespace postrider::dialogs {

namespace {

using message::Status;

// Of the example in RFC 7677 section 3.
constexpr std::string_view kNonce = "rOprNGfwEbeRWgbNEkqO";

std::string status_line(const Status& status) {
  return status.code == 0 ? "lost: " + status.text : status.to_line();
}

message::Address parse_address(std::string_view bracketed) {
  const std::string_view text = bracketed.substr(1, bracketed.size() - 2);
  const Result<message::Address> address = message::parse_mailbox(text, true);
  return address ? *address : message::Address{};
}

class ClientPlay {
 public:
  ClientPlay(const Exchange& exchange, Pace& pace)
      : exchange_(exchange), pace_(pace), session_(prepare(exchange)) {}

  Failure run();

 private:
  const smtp::ClientOptions& prepare(const Exchange& exchange);
  Failure play_line(std::size_t& at);
  Failure directive(const std::vector<std::string>& words);
  Failure send(std::size_t& at);
  Failure feed(const std::string& bytes);
  Failure drain();
  void answer(const smtp::AskScram& asked);
  void note(const smtp::TransactionDone& done);

  const Exchange& exchange_;
  Pace& pace_;
  smtp::ClientOptions options_;
  smtp::ClientSession session_;
  TimePoint now_ = TimePoint(std::chrono::hours(1));
  std::optional<auth::ScramClient> scram_;
  Heard heard_;
  std::vector<message::Recipient> recipients_;
  std::deque<std::string> reports_;
  bool ready_ = false;
  bool tls_wanted_ = false;
  bool whole_ = false;
  bool stalled_ = false;  // what is sent does not reach the kernel
};

const smtp::ClientOptions& ClientPlay::prepare(const Exchange& exchange) {
  options_.helo_name = "relay.test";
  const std::string use = exchange.setting("starttls", "never");
  if (use == "never") options_.start_tls = smtp::StartTlsUse::kNever;
  if (use == "required") options_.start_tls = smtp::StartTlsUse::kRequired;
  if (use == "offered") options_.start_tls = smtp::StartTlsUse::kIfOffered;
  if (exchange.setting("protocol", "smtp") == "lmtp") options_.protocol = smtp::Protocol::kLmtp;
  const std::vector<std::string> login = words_of(exchange.setting("login", ""));
  if (login.size() == 2) options_.login = smtp::ClientLogin{login[0], login[1]};
  options_.chunking = exchange.setting("chunking", "no") == "yes";
  options_.pipelining = exchange.setting("pipelining", "yes") == "yes";
  return options_;
}

Failure ClientPlay::run() {
  session_.start(now_);
  if (Failure failed = drain()) return failed;
  for (std::size_t at = 0; at < exchange_.lines.size();) {
    const int number = exchange_.lines[at].number;
    if (Failure failed = play_line(at)) return "line " + std::to_string(number) + ": " + *failed;
  }
  if (Failure failed = heard_.expect_silence()) return "at the end: " + *failed;
  if (!reports_.empty()) return "unexpected report '" + reports_.front() + "'";
  return std::nullopt;
}

Failure ClientPlay::play_line(std::size_t& at) {
  const Line& line = exchange_.lines[at];
  switch (line.kind) {
    case LineKind::kClient:
      ++at;
      return heard_.expect(unescape(line.text));
    case LineKind::kResult: {
      ++at;
      if (reports_.empty()) return "expected '" + line.text + "', nothing was reported";
      const std::string report = reports_.front();
      reports_.pop_front();
      if (glob_match(line.text, report)) return std::nullopt;
      return "expected '" + line.text + "', reported '" + report + "'";
    }
    case LineKind::kDirective:
      if (line.text.rfind("SEND ", 0) == 0) return send(at);
      ++at;
      return directive(words_of(line.text));
    case LineKind::kServer:
    case LineKind::kServerRaw:
      break;
    default:
      return "this line has no meaning where the client is tested";
  }
  if (Failure failed = heard_.expect_silence()) return failed;
  std::string bytes;
  for (; at < exchange_.lines.size(); ++at) {
    const Line& next = exchange_.lines[at];
    if (next.kind != LineKind::kServer && next.kind != LineKind::kServerRaw) break;
    bytes += unescape(next.text);
    if (next.kind == LineKind::kServer) bytes += "\r\n";
  }
  return feed(bytes);
}

Failure ClientPlay::directive(const std::vector<std::string>& words) {
  const std::string& word = words.at(0);
  if (word == "WHOLE") {
    whole_ = true;
  } else if (word == "TLS") {
    if (!tls_wanted_) return "the session did not ask for TLS";
    tls_wanted_ = false;
    session_.tls_established({"TLSv1.3", "TLS_AES_256_GCM_SHA384"}, now_);
  } else if (word == "TLSFAIL") {
    session_.tls_failed("certificate has expired", now_);
  } else if (word == "WAIT") {
    now_ += parse_wait(words.at(1));
    session_.tick(now_);
  } else if (word == "EOF") {
    session_.connection_lost("the peer closed the connection", now_);
  } else if (word == "STALL") {
    stalled_ = true;
  } else if (word == "QUIT") {
    session_.quit(now_);
  } else {
    return "unknown directive " + word;
  }
  return drain();
}

// SEND <sender> <recipient>... [8bit] [utf8] [ret=full|hdrs] [envid=...] [mt-priority=N] [notify=N]
// [orcpt=...], with the message's lines behind it.
Failure ClientPlay::send(std::size_t& at) {
  if (!ready_) return "the session is not ready";
  ready_ = false;
  const std::vector<std::string> words = words_of(exchange_.lines[at++].text);
  smtp::Transaction transaction;
  message::Envelope& envelope = transaction.envelope;
  envelope.sender = parse_address(words.at(1));
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::string& word = words[i];
    const std::string value = word.substr(word.find('=') + 1);
    if (word.front() == '<') transaction.recipients.push_back({parse_address(word), 0, ""});
    if (word == "8bit") envelope.eight_bit = true;
    if (word == "utf8") envelope.smtputf8 = true;
    if (word == "ret=full") envelope.return_content = message::ReturnContent::kFull;
    if (word == "ret=hdrs") envelope.return_content = message::ReturnContent::kHeaders;
    if (word.rfind("envid=", 0) == 0) envelope.envelope_id = value;
    if (word.rfind("mt-priority=", 0) == 0) envelope.priority = std::stoi(value);
    if (word.rfind("notify=", 0) == 0) {
      transaction.recipients.back().notify =
          static_cast<std::uint8_t>(ascii::parse_u64(value).value_or(0));
    }
    if (word.rfind("orcpt=", 0) == 0) transaction.recipients.back().original = value;
  }
  for (; at < exchange_.lines.size() && exchange_.lines[at].kind == LineKind::kText; ++at) {
    // A line that brings its own line end shows a body that is not canonical.
    std::string text = unescape(exchange_.lines[at].text);
    if (text.empty() || text.back() != '\n') text += "\r\n";
    transaction.body.append(Chunk(std::move(text)));
  }
  recipients_ = transaction.recipients;
  session_.send(std::move(transaction), now_);
  return drain();
}

Failure ClientPlay::feed(const std::string& bytes) {
  const std::vector<std::string_view> pieces =
      whole_ ? std::vector<std::string_view>{bytes} : pace_.pieces(bytes);
  whole_ = false;
  for (const std::string_view piece : pieces) {
    const std::string copy(piece);
    session_.receive(copy, now_);
    if (Failure failed = drain()) return failed;
  }
  return std::nullopt;
}

Failure ClientPlay::drain() {
  while (std::optional<smtp::ClientAction> action = session_.next()) {
    if (const auto* sent = std::get_if<smtp::SendChunks>(&*action)) {
      for (const Chunk& chunk : sent->chunks) {
        if (!heard_.add(chunk.view())) return "a bare CR or LF on the wire";
      }
      if (!stalled_) session_.sent(now_);
    } else if (std::holds_alternative<smtp::StartTls>(*action)) {
      tls_wanted_ = true;
    } else if (const auto* asked = std::get_if<smtp::AskScram>(&*action)) {
      answer(*asked);
    } else if (std::holds_alternative<smtp::Ready>(*action)) {
      ready_ = true;
    } else if (const auto* done = std::get_if<smtp::TransactionDone>(&*action)) {
      note(*done);
    } else if (const auto* ended = std::get_if<smtp::Ended>(&*action)) {
      reports_.push_back("ended " + std::string(message::name_of(ended->stage)) + " " +
                         (ended->orderly ? "orderly " : "") + status_line(ended->status));
    }
  }
  return std::nullopt;
}

void ClientPlay::answer(const smtp::AskScram& asked) {
  if (asked.first) {
    scram_.emplace(options_.login->user, kNonce);
    return session_.scram_message(scram_->first(), now_);
  }
  if (scram_->has_proved()) {
    const Result<void> right = scram_->verify(asked.message);
    if (right) return session_.scram_message("", now_);
    return session_.scram_failed(right.error().text(), now_);
  }
  const Result<auth::ScramSalt> salt = scram_->challenged(asked.message);
  if (!salt) return session_.scram_failed(salt.error().text(), now_);
  const auth::ScramKeys keys = auth::derive_scram_keys(options_.login->password, *salt);
  session_.scram_message(scram_->prove(keys), now_);
}

void ClientPlay::note(const smtp::TransactionDone& done) {
  for (std::size_t i = 0; i < done.results.size(); ++i) {
    const smtp::RecipientResult& result = done.results[i];
    reports_.push_back("<" + recipients_.at(i).address.to_string() + "> " +
                       std::string(message::name_of(result.stage)) + " " +
                       status_line(result.status));
  }
  if (done.final_reply_lost) reports_.emplace_back("final-reply-lost");
  if (done.untouched) reports_.emplace_back("untouched");
}

}  // namespace

Failure play_client(const Exchange& exchange, Pace pace) {
  return ClientPlay(exchange, pace).run();
}

}  // namespace postrider::dialogs
