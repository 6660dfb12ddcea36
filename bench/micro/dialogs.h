// Dialogs: both ends of the protocol over and over the same conversation, and what it is about.
// Thread: one owner.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "relay/message/body.h"
#include "relay/message/envelope.h"
#include "relay/smtp/client_session.h"
#include "relay/smtp/server_session.h"

namespace postrider::bench {

// A header section and lines of text, `size` octets or a little more, the same at every call; as it
// is stored, and as it is sent behind 354, where every tenth line begins with a dot.
std::string canonical_text(std::size_t size);
std::string stuffed_text(std::size_t size);
message::Envelope sample_envelope();
std::vector<message::Recipient> sample_recipients();

// A client that has said EHLO sends one message at a time, pipelined.
class ServerDialog {
 public:
  explicit ServerDialog(std::size_t text_size);
  // MAIL to the reply to the final dot.
  void play();

 private:
  void drain();
  void receive(const std::string& bytes);

  smtp::ServerOptions options_;
  smtp::ServerSession session_;
  TimePoint now_{Seconds(1)};
  std::string text_;  // with the final dot
  std::size_t replies_ = 0;
  std::size_t body_ = 0;
  std::size_t commits_ = 0;
};

// A server that takes whatever is sent.
class ClientDialog {
 public:
  explicit ClientDialog(std::size_t text_size);
  // A transaction and its end.
  void play();

 private:
  void drain();
  void receive(std::string_view bytes);

  smtp::ClientOptions options_;
  smtp::ClientSession session_;
  TimePoint now_{Seconds(1)};
  message::Envelope envelope_;
  std::vector<message::Recipient> recipients_;
  message::Body body_;
  std::size_t delivered_ = 0;
};

}  // namespace postrider::bench
