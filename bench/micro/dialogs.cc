#include "bench/micro/dialogs.h"

#include <optional>
#include <utility>
#include <variant>

#include "relay/base/check.h"

namespace postrider::bench {

namespace {

constexpr int kDotEvery = 10;  // lines

std::string make_text(std::size_t size, std::string_view dotted) {
  std::string text =
      "From: News <news@example.com>\r\nTo: Alice <alice@example.net>\r\n"
      "Subject: what was new this week\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
      "Message-ID: <1.2.3@example.com>\r\nMIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=us-ascii\r\n\r\n";
  for (int line = 0; text.size() < size; ++line) {
    text += line % kDotEvery == 0 ? dotted : "A line";
    text += " of a text that says nothing, but has the length that lines have.\r\n";
  }
  return text;
}

smtp::ServerOptions trusted() {
  smtp::ServerOptions options;
  options.mode = smtp::ListenerMode::kTrusted;
  options.errors_max = 1;
  return options;
}

message::Status taken() {
  return {250, {2, 0, 0}, "Ok"};
}

}  // namespace

std::string canonical_text(std::size_t size) {
  return make_text(size, ".A line");
}

std::string stuffed_text(std::size_t size) {
  return make_text(size, "..A line") + ".\r\n";
}

message::Envelope sample_envelope() {
  message::Envelope envelope;
  envelope.sender = {"news", "example.com"};
  envelope.tenant = "shop";
  envelope.campaign = "week-1";
  envelope.user = "app";
  return envelope;
}

std::vector<message::Recipient> sample_recipients() {
  message::Recipient recipient;
  recipient.address = {"alice", "example.net"};
  return {recipient};
}

ServerDialog::ServerDialog(std::size_t text_size)
    : options_(trusted()), session_(options_), text_(stuffed_text(text_size)) {
  session_.start(now_);
  drain();
  receive("EHLO client.example.org\r\n");
  PR_CHECK(replies_ == 2);
}

void ServerDialog::play() {
  const std::size_t before = commits_;
  receive(
      "MAIL FROM:<news@example.com> SIZE=4096\r\nRCPT TO:<alice@example.net>\r\n"
      "DATA\r\n");
  receive(text_);
  PR_CHECK(commits_ == before + 1 && body_ > text_.size() / 2);
  body_ = 0;
}

void ServerDialog::receive(const std::string& bytes) {
  session_.receive(bytes, now_);
  drain();
}

void ServerDialog::drain() {
  while (std::optional<smtp::ServerAction> action = session_.next()) {
    if (std::holds_alternative<smtp::Send>(*action)) ++replies_;
    if (auto* const part = std::get_if<smtp::BodyPart>(&*action)) body_ += part->bytes.size();
    PR_CHECK(!std::holds_alternative<smtp::Close>(*action));
    const bool commit = std::holds_alternative<smtp::AskCommit>(*action);
    if (commit) ++commits_;
    if (commit || std::holds_alternative<smtp::AskSender>(*action) ||
        std::holds_alternative<smtp::AskRecipient>(*action)) {
      session_.answer(taken(), now_);
    }
  }
}

ClientDialog::ClientDialog(std::size_t text_size)
    : session_(options_),
      envelope_(sample_envelope()),
      recipients_(sample_recipients()),
      body_(canonical_text(text_size)) {
  session_.start(now_);
  receive("220 mx1.example.net ESMTP\r\n");
  receive(
      "250-mx1.example.net greets you\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
      "250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
}

void ClientDialog::play() {
  const std::size_t before = delivered_;
  session_.send({envelope_, recipients_, body_}, now_);
  drain();
  receive("250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go ahead\r\n");
  receive("250 2.0.0 ok, queued\r\n");
  PR_CHECK(delivered_ == before + 1);
}

void ClientDialog::receive(std::string_view bytes) {
  session_.receive(bytes, now_);
  drain();
}

void ClientDialog::drain() {
  while (std::optional<smtp::ClientAction> action = session_.next()) {
    if (std::holds_alternative<smtp::SendChunks>(*action)) session_.sent(now_);
    PR_CHECK(!std::holds_alternative<smtp::Ended>(*action));
    if (auto* const done = std::get_if<smtp::TransactionDone>(&*action)) {
      for (const auto& result : done->results) delivered_ += result.status.is_positive() ? 1 : 0;
    }
  }
}

}  // namespace postrider::bench
