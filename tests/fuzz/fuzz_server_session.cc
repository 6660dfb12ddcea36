// Any bytes, in any pieces, with any answers: the session's actions are lawful, and the same bytes
// in one piece give the same replies and the same messages.
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "relay/smtp/server_session.h"
#include "tests/fuzz/bytes.h"

namespace postrider::fuzz {
namespace {

using message::Status;

constexpr Seconds kStart(3600);

struct Outcome {
  std::string replies;
  std::vector<std::string> messages;
  std::string closed;
  bool tls = false;

  bool operator==(const Outcome&) const = default;
};

smtp::ServerOptions options_of(std::uint8_t choice) {
  smtp::ServerOptions options;
  options.mode = static_cast<smtp::ListenerMode>(choice % 3);
  options.message_size_max = (choice & 4) != 0 ? 64 : 4096;
  options.recipients_max = 3;
  options.errors_max = 10;
  options.command_line_max = 128;
  options.auth_line_max = 256;
  options.text_line_max = 100;
  options.received_max = 2;
  return options;
}

class Run {
 public:
  Run(std::uint8_t options, std::uint8_t verdicts, bool late)
      : options_(options_of(options)), session_(options_), verdicts_(verdicts), late_(late) {}

  // `pieces` 0: all at once; otherwise pieces of 1..`pieces` octets.
  Outcome play(std::string_view input, std::size_t pieces) {
    if (options_.mode == smtp::ListenerMode::kSubmissions) {
      smtp::TlsFacts facts;
      facts.external = (verdicts_ & 2) != 0;
      session_.tls_established(facts, now_);
    }
    session_.offer_scram((verdicts_ & 1) != 0);
    session_.tell_time(WallTime(kStart), now_);
    session_.start(now_);
    drain();
    std::size_t turn = 0;
    // Where TLS would begin, the plaintext ends.
    while (!input.empty() && outcome_.closed.empty() && !outcome_.tls) {
      require(session_.wants_input());
      const std::size_t length = pieces == 0 ? input.size() : 1 + turn++ % pieces;
      const std::string copy(input.substr(0, length));
      input.remove_prefix(copy.size());
      session_.receive(copy, now_);
      drain();
    }
    session_.end_of_input(now_);
    drain();
    require(!outcome_.closed.empty() && !body_open_);
    return std::move(outcome_);
  }

 private:
  void drain() {
    for (;;) {
      while (std::optional<smtp::ServerAction> action = session_.next()) {
        require(!closed_);
        std::visit([this](auto& what) { take(what); }, *action);
        if (asked_ && !late_) reply();
      }
      if (!asked_) return;
      require(!session_.wants_input() || session_.deadline() == TimePoint::max());
      reply();
    }
  }

  // Every verdict is a bit, taken in turn.
  void reply() {
    asked_ = false;
    const bool no = ((verdicts_ >> (asks_++ % 8)) & 1U) != 0;
    session_.answer(no ? Status{550, {5, 7, 1}, "no"} : Status{250, {2, 0, 0}, "yes"}, now_);
    if (committing_ && !no) outcome_.messages.push_back(body_);
    committing_ = false;
  }

  void take(const smtp::Send& send) {
    require(send.bytes.size() >= 2 && send.bytes.substr(send.bytes.size() - 2) == "\r\n");
    outcome_.replies += send.bytes;
  }

  void take(const smtp::AskTls& /*action*/) { asked_ = true; }

  void take(const smtp::StartTls& /*action*/) { outcome_.tls = true; }

  void take(const smtp::AskScram& ask) {
    if (ask.message.size() % 2 == 0) {
      asked_ = true;
    } else {
      session_.challenge(ask.message, "user", now_);
    }
  }

  void take(const smtp::AskCredentials& ask) {
    require(!ask.user.empty() && session_.tls().has_value());
    asked_ = true;
  }

  void take(const smtp::AskIdentity& ask) {
    require(session_.tls() && session_.tls()->external);
    session_.identify(ask.identity.empty() ? "user" : ask.identity);
    asked_ = true;
  }

  void take(const smtp::AskSender& /*action*/) { asked_ = true; }

  void take(const smtp::AskRecipient& ask) {
    require(!ask.recipient.address.local.empty());
    asked_ = true;
  }

  void take(const smtp::BeginBody& /*action*/) {
    require(!body_open_ && !session_.recipients().empty());
    require(options_.mode == smtp::ListenerMode::kTrusted || session_.authenticated());
    body_open_ = true;
    body_.clear();
  }

  void take(const smtp::BodyPart& part) {
    require(body_open_ && !part.bytes.empty());
    body_ += part.bytes;
  }

  void take(const smtp::AskCommit& /*action*/) {
    require(body_open_ && session_.awaiting_commit());
    const message::Envelope& envelope = session_.envelope();
    require((envelope.release > WallTime()) == !envelope.release_request.empty());
    require(envelope.release <= WallTime(kStart) + options_.future_release_max);
    require(body_.size() <= options_.message_size_max + 2);
    require_canonical();
    body_open_ = false;
    asked_ = committing_ = true;
  }

  void require_canonical() const {
    require(body_.empty() || (body_.size() >= 2 && body_.substr(body_.size() - 2) == "\r\n"));
    for (std::size_t at = 0; at < body_.size(); ++at) {
      require(body_[at] != '\0');
      if (body_[at] == '\r') require(body_[at + 1] == '\n');
      if (body_[at] == '\n') require(at > 0 && body_[at - 1] == '\r');
    }
  }

  void take(const smtp::AbortBody& /*action*/) {
    require(body_open_);
    body_open_ = false;
  }

  void take(const smtp::Refused& refused) { require(!refused.reason.empty()); }

  void take(const smtp::Close& close) {
    closed_ = true;
    asked_ = false;
    outcome_.closed = close.reason;
  }

  smtp::ServerOptions options_;
  smtp::ServerSession session_;
  TimePoint now_ = TimePoint(kStart);
  std::uint8_t verdicts_;
  bool late_;
  unsigned asks_ = 0;
  bool asked_ = false;
  bool committing_ = false;
  bool body_open_ = false;
  bool closed_ = false;
  std::string body_;
  Outcome outcome_;
};

}  // namespace
}  // namespace postrider::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using postrider::fuzz::Run;
  postrider::fuzz::Bytes bytes(data, size);
  const std::uint8_t options = bytes.byte();
  const std::uint8_t verdicts = bytes.byte();
  const std::uint8_t pieces = bytes.byte();
  const std::string_view input = bytes.rest();
  const auto whole = Run(options, verdicts, false).play(input, 0);
  const auto split = Run(options, verdicts, true).play(input, 1U + pieces % 16U);
  // What is pipelined behind STARTTLS is noticed only if it has come.
  const bool injection = whole.closed == "starttls_injection" || split.tls;
  postrider::fuzz::require(injection || whole == split);
  return 0;
}
