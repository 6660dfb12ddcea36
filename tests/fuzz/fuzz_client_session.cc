// A hostile server: any bytes in any pieces. What the client writes is lawful, every transaction is
// reported once, every recipient has a verdict, and nobody is taken for delivered unless a 2xx came
// behind the text, by LMTP one for each.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "relay/smtp/client_session.h"
#include "tests/fuzz/bytes.h"

namespace postrider::fuzz {
namespace {

class Run {
 public:
  Run(std::uint8_t choice, Bytes input)
      : options_(options_of(choice)), session_(options_), choice_(choice), input_(input) {}

  void play() {
    session_.start(now_);
    drain();
    while (!input_.empty() && !ended_) {
      const std::uint8_t length = input_.byte();
      now_ += Seconds(1);
      if (length == 255) {
        now_ += Seconds(200);
        session_.tick(now_);
      } else {
        const std::string copy(input_.take(1U + length));
        line_ends_ += static_cast<std::size_t>(std::count(copy.begin(), copy.end(), '\n'));
        session_.receive(copy, now_);
      }
      drain();
    }
    session_.connection_lost("closed", now_);
    drain();
    require(ended_ && !sending_);
  }

 private:
  static constexpr std::string_view kText = "secret\r\n.\r\n";

  static smtp::ClientOptions options_of(std::uint8_t choice) {
    smtp::ClientOptions options;
    options.start_tls = static_cast<smtp::StartTlsUse>(choice % 3);
    options.pipelining = (choice & 4) != 0;
    options.chunking = true;  // where the server offers it
    if ((choice & 64) != 0) options.protocol = smtp::Protocol::kLmtp;
    if ((choice & 128) != 0) options.login = smtp::ClientLogin{"app", "hidden"};
    options.reply_lines_max = 5;
    options.reply_line_max = 80;
    return options;
  }

  void drain() {
    while (std::optional<smtp::ClientAction> action = session_.next()) {
      require(!ended_);
      std::visit([this](auto& what) { take(what); }, *action);
    }
  }

  void take(const smtp::SendChunks& send) {
    require(!send.chunks.empty());
    std::string bytes;
    for (const Chunk& chunk : send.chunks) bytes += chunk.view();
    const bool within_text = given_ > 0 && given_ < kText.size();
    require(within_text || (bytes.size() >= 2 && bytes.substr(bytes.size() - 2) == "\r\n"));
    if (bytes.find("secret") != std::string::npos || (given_ == kText.size() && !text_sent_)) {
      text_sent_ = true;
      line_ends_ = 0;  // what is left of the piece that invited the text is no reply to it
    }
    if ((choice_ & 8) == 0) session_.sent(now_);
  }

  void take(const smtp::StartTls& /*action*/) {
    if ((choice_ & 16) != 0) {
      session_.tls_failed("no", now_);
    } else {
      session_.tls_established({}, now_);
    }
  }

  void take(const smtp::AskScram& asked) {
    require(options_.login && !sending_);
    require(asked.first == (asked_++ == 0));
    if (asked.message == "bad") return session_.scram_failed("no", now_);
    session_.scram_message(asked.first ? "hello" : "proof", now_);
  }

  void take(const smtp::AskText& /*action*/) {
    require(sending_ && given_ < kText.size());
    if (input_.empty()) return session_.text_failed("gone", now_);
    const std::string piece(kText.substr(given_, 3));
    given_ += piece.size();
    session_.text(message::Body(piece), now_);
  }

  void take(const smtp::Ready& /*action*/) {
    require(!sending_);
    if (++transactions_ > 4) {
      session_.quit(now_);
      return;
    }
    smtp::Transaction transaction;
    transaction.envelope.sender = {"a", "b.test"};
    transaction.envelope.eight_bit = (choice_ & 32) != 0;
    transaction.recipients = {{{"one", "d.test"}}, {{"two", "d.test"}}, {{"three", "d.test"}}};
    const message::Body text{std::string(kText)};
    if (transactions_ % 2 == 1) {
      transaction.body = text;
    } else {
      smtp::TextSurvey survey;
      survey.feed(text);
      transaction.pieces = survey.finish();
    }
    given_ = 0;
    sending_ = true;
    text_sent_ = false;
    session_.send(std::move(transaction), now_);
  }

  void take(const smtp::TransactionDone& done) {
    require(sending_ && done.results.size() == 3);
    std::size_t delivered_to = 0;
    for (const smtp::RecipientResult& result : done.results) {
      const bool delivered = result.status.is_positive();
      require(!delivered || (result.stage == message::Stage::kEndOfData && text_sent_));
      if (delivered) ++delivered_to;
      require(result.status.code == 0 || delivered || result.status.code >= 400);
      require(result.status.text.find('\r') == std::string::npos);
    }
    if (options_.protocol == smtp::Protocol::kLmtp) require(delivered_to <= line_ends_);
    sending_ = false;
  }

  void take(const smtp::Ended& ended) {
    require(!sending_);
    require(ended.orderly || ended.status.code == 0 || ended.status.code >= 400);
    ended_ = true;
  }

  smtp::ClientOptions options_;
  smtp::ClientSession session_;
  std::uint8_t choice_;
  Bytes input_;
  TimePoint now_ = TimePoint(Seconds(3600));
  bool sending_ = false;
  bool text_sent_ = false;
  std::size_t given_ = 0;      // of a text that comes in pieces
  std::size_t line_ends_ = 0;  // that came since
  int asked_ = 0;
  bool ended_ = false;
  int transactions_ = 0;
};

}  // namespace
}  // namespace postrider::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postrider::fuzz::Bytes bytes(data, size);
  const std::uint8_t choice = bytes.byte();
  postrider::fuzz::Run(choice, bytes).play();
  return 0;
}
