#include "bench/load/load_session.h"

#include <utility>

#include "relay/base/ascii.h"
#include "relay/base/check.h"
#include "relay/event/loop.h"

namespace postrider::bench {

namespace {

std::string with_code(std::string_view phase, int code) {
  return std::string(phase) + " " + std::to_string(code);
}

}  // namespace

void LoadSession::connect() {
  PR_CHECK(state_ == State::kClosed);
  state_ = State::kConnecting;
  sent_here_ = 0;
  accepted_here_ = 0;
  authenticated_ = false;
  pipelining_ = false;
  ++tally_.connections;
  auto stream = event::Stream::connect(loop_, parts_.options.to, std::nullopt, *this);
  if (!stream) {
    lost("connect: " + stream.error().text());
    return;
  }
  stream_.emplace(*std::move(stream));
}

void LoadSession::on_connected() {
  state_ = State::kGreeting;
  if (parts_.options.tls == TlsUse::kImplicit) start_tls();
}

void LoadSession::start_tls() {
  auto link = TlsLink::connect(*parts_.tls, "");
  if (!link) {
    lost("TLS: " + link.error().text());
    return;
  }
  link_ = *std::move(link);
  line_.clear();
  state_ = State::kHandshake;
  stream_->write(link_->take_output());
}

void LoadSession::on_data(std::string_view bytes) {
  if (link_ == nullptr) {
    feed(bytes);
  } else {
    on_tls_data(bytes);
  }
}

void LoadSession::on_tls_data(std::string_view bytes) {
  const std::uint64_t connection = connection_;
  plain_.clear();
  link_->receive(bytes, plain_);
  stream_->write(link_->take_output());
  if (state_ == State::kHandshake && link_->state() == TlsLink::State::kOpen) {
    ++tally_.handshakes;
    if (parts_.options.tls == TlsUse::kImplicit) {
      state_ = State::kGreeting;
    } else {
      say_hello();
    }
  }
  feed(plain_);
  if (connection != connection_) return;
  if (link_->state() == TlsLink::State::kEnded) return on_end();
  if (link_->state() == TlsLink::State::kFailed) lost("TLS: " + link_->failure_text());
}

void LoadSession::on_end() {
  if (state_ == State::kQuit) {
    close(false);
  } else {
    lost("connection lost");
  }
}

void LoadSession::on_failure(const Error& error) {
  if (state_ == State::kQuit) {
    close(false);
  } else {
    lost(state_ == State::kConnecting ? error.text() : "connection lost");
  }
}

void LoadSession::feed(std::string_view bytes) {
  const std::uint64_t connection = connection_;
  while (!bytes.empty() && connection == connection_ && state_ != State::kHandshake) {
    const std::size_t newline = bytes.find('\n');
    std::string_view line = bytes.substr(0, newline == bytes.npos ? newline : newline + 1);
    bytes.remove_prefix(line.size());
    if (newline == bytes.npos || !line_.empty()) {
      line_ += line;
      line = line_;
    }
    if (line_.size() > kMaxLine) {
      lost("reply line too long");
    } else if (newline != bytes.npos) {
      on_line(line);
      line_.clear();
    }
  }
}

void LoadSession::on_line(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  const auto code = ascii::parse_u64(line.substr(0, 3));
  if (!code || line.size() < 3 || *code < 200) {
    lost("not a reply");
    return;
  }
  if (line.size() > 3 && line[3] == '-') {
    if (state_ == State::kEhlo && ascii::iequals(line.substr(4), "PIPELINING")) pipelining_ = true;
    return;
  }
  if (state_ == State::kEhlo && line.size() > 4 && ascii::iequals(line.substr(4), "PIPELINING")) {
    pipelining_ = true;
  }
  on_reply(static_cast<int>(*code), line);
}

void LoadSession::on_reply(int code, std::string_view line) {
  switch (state_) {
    case State::kGreeting:
      if (code == 220) return say_hello();
      return refused("greeting", code);
    case State::kEhlo:
      return on_ehlo_reply(code);
    case State::kStartTls:
      if (code == 220) return start_tls();
      return refused("starttls", code);
    case State::kAuth:
      if (code != 235) return refused("auth", code);
      authenticated_ = true;
      return become_ready();
    case State::kEnvelope:
      return on_envelope_reply(code);
    case State::kContent:
      return on_final_reply(code, line);
    case State::kReset:
      if (code == 421) return refused("rset", code);
      return next_message();
    case State::kQuit:
      return close(false);
    default:
      return refused("out of turn", code);
  }
}

void LoadSession::say_hello() {
  state_ = State::kEhlo;
  write("EHLO " + parts_.options.helo + "\r\n");
}

void LoadSession::on_ehlo_reply(int code) {
  if (code != 250) return refused("ehlo", code);
  if (parts_.options.tls == TlsUse::kStartTls && link_ == nullptr) {
    state_ = State::kStartTls;
    write("STARTTLS\r\n");
  } else if (!parts_.options.user.empty() && !authenticated_) {
    authenticate();
  } else {
    become_ready();
  }
}

void LoadSession::authenticate() {
  std::string response(1, '\0');  // RFC 4616: no authorization identity
  response += parts_.options.user;
  response += '\0';
  response += parts_.options.password;
  state_ = State::kAuth;
  write("AUTH PLAIN " + ascii::base64_encode(response) + "\r\n");
}

void LoadSession::become_ready() {
  state_ = State::kReady;
  pipelining_ = pipelining_ && parts_.options.pipelining;
  source_.on_ready(*this);
}

void LoadSession::send(std::uint64_t number, TimePoint due) {
  PR_CHECK(state_ == State::kReady);
  state_ = State::kEnvelope;
  ++sent_here_;
  ++tally_.started;
  message_.sequence = parts_.options.run + "-" + std::to_string(number);
  message_.due = due;
  compose();
  if (pipelining_) {
    message_.sent = message_.commands.size();
    write(message_.commands);
  } else {
    send_next_command();
  }
}

void LoadSession::compose() {
  const LoadOptions& options = parts_.options;
  message_.sent = 0;
  message_.answered = 0;
  message_.recipients_accepted = 0;
  message_.refusal.clear();
  message_.content_size = options.sizes.draw(dice_);
  std::string& commands = message_.commands;
  std::string& header = message_.recipient_header;
  commands = "MAIL FROM:<" + options.sender + ">\r\n";
  header = "To: ";
  for (std::uint64_t i = 1; i <= options.recipients_per_message; ++i) {
    const std::string address = "user" + std::to_string(i) + "@" + options.domains.draw(dice_);
    commands += "RCPT TO:<" + address + ">\r\n";
    if (i == 1) header += "<" + address + ">\r\n";
  }
  commands += "DATA\r\n";
}

void LoadSession::send_next_command() {
  const std::size_t end = message_.commands.find('\n', message_.sent) + 1;
  const std::size_t begin = std::exchange(message_.sent, end);
  write(message_.commands.substr(begin, end - begin));
}

void LoadSession::on_envelope_reply(int code) {
  const std::uint64_t recipients = parts_.options.recipients_per_message;
  const std::uint64_t index = message_.answered++;
  const bool is_data = index > recipients;
  const bool good = is_data ? code == 354 : code < 300;
  if (!good && message_.refusal.empty()) {
    message_.refusal = with_code(index == 0 ? "mail" : is_data ? "data" : "rcpt", code);
  }
  if (code == 421) return lost(message_.refusal);
  if (index > 0 && !is_data && good) ++message_.recipients_accepted;
  if (is_data) return end_envelope(good);
  if (pipelining_) return;
  const bool hopeless =
      index == 0 ? !good : index == recipients && message_.recipients_accepted == 0;
  if (hopeless) {
    end_envelope(false);
  } else {
    send_next_command();
  }
}

void LoadSession::end_envelope(bool go_ahead) {
  if (!go_ahead) {
    fail_message(message_.refusal);
    state_ = State::kReset;
    write("RSET\r\n");
    return;
  }
  state_ = State::kContent;
  if (message_.recipients_accepted == 0) {
    // RFC 2920 section 3.1: the server goes ahead without a recipient; it gets an empty message.
    write(".\r\n");
  } else {
    send_content();
  }
}

void LoadSession::send_content() {
  std::string head = "X-Sequence: " + message_.sequence + "\r\nMessage-ID: <" + message_.sequence +
                     "@load.invalid>\r\n" + message_.recipient_header;
  auto chunks = parts_.pool.content(std::move(head), message_.content_size, dice_.roll());
  message_.content_size = 0;
  for (const Chunk& chunk : chunks) message_.content_size += chunk.size();
  message_.content_sent = Monotonic::now();
  write(std::move(chunks));
}

void LoadSession::on_final_reply(int code, std::string_view line) {
  const bool taken = code < 300 && message_.recipients_accepted > 0;
  if (code == 421) return lost("dot 421");
  if (taken) {
    const TimePoint at = Monotonic::now();
    ++accepted_here_;
    ++tally_.accepted;
    tally_.bytes += message_.content_size;
    tally_.recipients_refused +=
        parts_.options.recipients_per_message - message_.recipients_accepted;
    tally_.ack.add(at - message_.content_sent);
    tally_.whole.add(at - message_.due);
    if (parts_.ids != nullptr) parts_.ids->add(line, message_.sequence);
  } else {
    fail_message(message_.recipients_accepted == 0 ? message_.refusal : with_code("dot", code));
  }
  next_message();
}

void LoadSession::next_message() {
  const std::uint64_t limit = parts_.options.messages_per_session;
  state_ = State::kReady;
  if (limit > 0 && sent_here_ >= limit) {
    quit();
  } else {
    source_.on_ready(*this);
  }
}

void LoadSession::quit() {
  PR_CHECK(state_ == State::kReady);
  state_ = State::kQuit;
  write("QUIT\r\n");
}

void LoadSession::abandon(std::string_view reason) {
  if (state_ == State::kClosed) return;
  if (in_message()) fail_message(std::string(reason));
  close(true);
}

void LoadSession::fail_message(const std::string& what) {
  ++tally_.failed;
  ++tally_.failures[what];
}

void LoadSession::refused(std::string_view phase, int code) {
  lost(with_code(phase, code));
}

void LoadSession::lost(const std::string& what) {
  if (in_message()) {
    fail_message(what);
  } else {
    ++tally_.connection_failures;
    ++tally_.failures[what];
  }
  close(true);
}

void LoadSession::close(bool failed) {
  ++connection_;
  state_ = State::kClosed;
  stream_.reset();
  link_.reset();
  line_.clear();
  source_.on_closed(*this, failed);
}

void LoadSession::write(std::string bytes) {
  if (link_ == nullptr) {
    stream_->write(std::move(bytes));
  } else {
    link_->write(bytes);
    stream_->write(link_->take_output());
  }
}

void LoadSession::write(std::vector<Chunk> chunks) {
  if (link_ == nullptr) {
    stream_->write(std::move(chunks));
    return;
  }
  std::string joined;
  for (const Chunk& chunk : chunks) joined += chunk.view();
  write(std::move(joined));
}

}  // namespace postrider::bench
