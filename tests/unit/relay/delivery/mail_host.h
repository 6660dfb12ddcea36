// A scripted mail host on the test's loop: says what it was told to, and keeps what it was given.
#pragma once

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/base/ascii.h"
#include "relay/event/loop.h"
#include "relay/event/tcp.h"
#include "relay/tls/engine.h"

namespace postrider::delivery {

// Instead of a reply.
inline constexpr std::string_view kSilence = "(silence)";
inline constexpr std::string_view kClose = "(close)";

class MailHost {
 public:
  explicit MailHost(event::Loop& loop, const Endpoint& at = {*IpAddress::parse("127.0.0.1"), 0})
      : loop_(loop) {
    auto listening = event::listen_on(at);
    EXPECT_TRUE(listening);
    endpoint_ = *event::local_endpoint(listening->get());
    listener_.emplace(*event::Listener::create(
        loop, std::move(*listening),
        [this](event::Descriptor descriptor, const Endpoint&) { accept(std::move(descriptor)); },
        [] {}));
  }

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

  // New connections are refused by the system from now on.
  void stop_listening() { listener_.reset(); }

  // Ends every connection that is open.
  void close_all() {
    for (const auto& peer : peers_) peer->close();
  }

  // Says on every connection, unasked.
  void say_to_all(const std::string& line) {
    for (const auto& peer : peers_) {
      if (peer->is_open()) peer->say(line);
    }
  }

  [[nodiscard]] std::size_t open() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(peers_, [](const auto& peer) { return peer->is_open(); }));
  }

  // By verb; "" is the greeting, "." the end of a text. Lines without the last CRLF.
  std::map<std::string, std::string> replies = {
      {"", "220 mx.example ESMTP"},   {"EHLO", "250-mx.example\r\n250-PIPELINING\r\n250 8BITMIME"},
      {"MAIL", "250 2.1.0 Ok"},       {"RCPT", "250 2.1.5 Ok"},
      {"DATA", "354 Go ahead"},       {".", "250 2.0.0 Ok"},
      {"RSET", "250 2.0.0 Ok"},       {"QUIT", "221 2.0.0 Bye"},
      {"STARTTLS", "220 2.0.0 Ready"}};
  // Said before those, once each.
  std::map<std::string, std::deque<std::string>> once;
  // With it STARTTLS is offered, and kept.
  std::shared_ptr<const tls::Context> tls;
  // STARTTLS is offered, and then no TLS spoken.
  bool breaks_handshakes = false;

  // After so many messages a connection is closed without a word; 0: none is.
  std::size_t closes_after = 0;

  std::size_t connections = 0;
  std::size_t handshakes = 0;
  std::vector<std::string> commands;
  std::vector<std::string> messages;  // without dot-stuffing

 private:
  class Peer final : public event::StreamEvents {
   public:
    Peer(MailHost& host, event::Descriptor descriptor) : host_(host) {
      stream_.emplace(*event::Stream::adopt(host.loop_, std::move(descriptor), *this));
      deaf_ = answer("") == kSilence;  // a ClientHello may hold what looks like a line
    }

    [[nodiscard]] bool is_open() const { return stream_.has_value(); }

    void close() { stream_.reset(); }

    void on_data(std::string_view bytes) override {
      if (deaf_) return;
      if (broken_) return send("this is no TLS\r\n");
      if (tls_) {
        const bool shaking = tls_->state() == tls::Engine::State::kHandshaking;
        const auto state = tls_->receive(bytes, input_);
        flush();
        if (shaking && state != tls::Engine::State::kHandshaking) ++host_.handshakes;
      } else {
        input_ += bytes;
      }
      read();
    }

    void on_end() override { close(); }

    void on_failure(const Error&) override { close(); }

    void say(const std::string& line) { send(line + "\r\n"); }

   private:
    void read() {
      while (is_open()) {
        if (in_text_) {
          // Nothing follows a text before it is answered.
          if (input_ != ".\r\n" && !input_.ends_with("\r\n.\r\n")) return;
          input_.resize(input_.size() - 3);
          keep_text(std::exchange(input_, {}));
          in_text_ = false;
          answer(".");
          if (++taken_ == host_.closes_after && is_open()) {
            stream_->finish();
            deaf_ = true;
          }
          continue;
        }
        const std::size_t end = input_.find("\r\n");
        if (end == std::string::npos) return;
        const std::string line = input_.substr(0, end);
        input_.erase(0, end + 2);
        host_.commands.push_back(line);
        obey(ascii::upper(line.substr(0, line.find(' '))));
      }
    }

    void obey(const std::string& verb) {
      const std::string said = answer(verb);
      if (!is_open()) return;
      if (verb == "DATA" && said.starts_with("354")) in_text_ = true;
      if (verb == "QUIT" && said != kSilence) stream_->finish();
      if (verb != "STARTTLS" || !said.starts_with("220")) return;
      broken_ = host_.breaks_handshakes;
      if (!broken_) tls_.emplace(tls::Engine::server(host_.tls));
    }

    std::string answer(const std::string& verb) {
      std::string reply = host_.replies.contains(verb) ? host_.replies[verb] : "500 5.5.1 What?";
      auto& first = host_.once[verb];
      if (!first.empty()) {
        reply = first.front();
        first.pop_front();
      } else if (verb == "EHLO" && (host_.tls || host_.breaks_handshakes) && !tls_) {
        reply = "250-mx.example\r\n250-STARTTLS\r\n250 PIPELINING";
      }
      if (reply == kClose) {
        close();
      } else if (reply != kSilence) {
        say(reply);
      }
      return reply;
    }

    void send(std::string bytes) {
      if (!tls_) return stream_->write(std::move(bytes));
      tls_->send(bytes);
      flush();
    }

    void flush() {
      std::string output = tls_->take_output();
      if (!output.empty()) stream_->write(std::move(output));
    }

    void keep_text(const std::string& stuffed) {
      std::string& text = host_.messages.emplace_back();
      text.reserve(stuffed.size());
      bool line_begins = true;
      for (const char c : stuffed) {
        if (c != '.' || !line_begins) text += c;
        line_begins = c == '\n';
      }
    }

    MailHost& host_;
    std::optional<event::Stream> stream_;
    std::optional<tls::Engine> tls_;
    std::string input_;
    std::size_t taken_ = 0;
    bool deaf_ = false;
    bool in_text_ = false;
    bool broken_ = false;
  };

  void accept(event::Descriptor descriptor) {
    ++connections;
    peers_.push_back(std::make_unique<Peer>(*this, std::move(descriptor)));
  }

  event::Loop& loop_;
  Endpoint endpoint_;
  std::optional<event::Listener> listener_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

}  // namespace postrider::delivery
