// SinkSession: the SMTP dialogue of a simulated MX host, without a socket: bytes in, replies and
// deeds out. Shares no code with the relay's protocol engine. Thread: one caller at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/sim/data_reader.h"
#include "bench/sim/greylist.h"
#include "bench/sim/message_log.h"
#include "bench/sim/rule_book.h"
#include "bench/sim/statistics.h"
#include "bench/tls_link.h"
#include "relay/base/clock.h"
#include "relay/base/ip.h"

namespace postrider::bench {

// What the sessions of one thread work with; all of it outlives them.
struct SinkWorld {
  RuleBoard::Reader rules;
  Statistics& statistics;
  MessageLog& log;
  Greylist& greylist;
  std::size_t size_max;  // the SIZE offered
};

struct SinkOutput {
  enum class After { kNothing, kStartTls, kBreakTls, kClose, kReset, kHang, kEndless };

  std::string bytes;  // kEndless: to be sent over and over
  Milliseconds delay{0};
  bool drip = false;  // one byte at a time
  After after = After::kNothing;
};

class SinkSession {
 public:
  // A longer command line ends the connection.
  static constexpr std::size_t kMaxLine = std::size_t{64} * 1024;
  // Bytes of a content that are kept when the log does not want the whole: enough for a header.
  static constexpr std::size_t kHeaderKeep = std::size_t{16} * 1024;

  // `address`: the MX address that was connected to. `connection`: its number, for the log.
  SinkSession(SinkWorld& world, const IpAddress& address, std::uint64_t connection);

  // The greeting. `open_here`: connections to this address, this one included.
  void begin(std::uint64_t open_here);
  // Bytes behind STARTTLS or behind the end of the dialogue are dropped.
  void receive(std::string_view bytes, TimePoint now);
  // After an output with kStartTls was carried out.
  void tls_established(TlsFacts facts);

  // The next thing to do; nullopt: nothing until more is received.
  std::optional<SinkOutput> next();

 private:
  struct Transaction {
    bool open = false;
    std::string sender;
    std::string parameters;
    std::vector<std::string> recipients;
    std::string domain;  // of the first recipient: its rule decides on data and dot
  };

  using Handler = void (SinkSession::*)(std::string_view arguments);

  struct Verb {
    std::string_view name;
    Handler handler;
  };

  static const std::array<Verb, 9>& verbs();

  void command(std::string_view line);
  void ehlo(std::string_view arguments);
  void helo(std::string_view arguments);
  void starttls(std::string_view arguments);
  void mail(std::string_view arguments);
  void rcpt(std::string_view arguments);
  void data(std::string_view arguments);
  void reset(std::string_view arguments);
  void noop(std::string_view arguments);
  void quit(std::string_view arguments);
  void end_of_data();
  void accept_message();
  [[nodiscard]] std::string ehlo_reply(const RuleBook::Site& site) const;
  [[nodiscard]] std::optional<std::string> refusal_of_mail(std::string_view arguments,
                                                           const DomainRule* rule);
  [[nodiscard]] std::optional<std::string> refusal_of_recipient(const std::string& recipient,
                                                                const DomainRule* rule);

  RuleBook::Site site() { return world_.rules.current().at(address_); }

  // Answers a phase: the rule's step if one is due, else `proper`. True: the phase succeeded.
  bool answer(Phase phase, const DomainRule* rule, const std::string& proper);
  bool carry_out(const Step& step, Phase phase, const DomainRule& rule, const std::string& proper);
  void say(std::string_view reply, const DomainRule* rule);
  void act(SinkOutput output);
  void stop(SinkOutput::After after, std::string bytes = {});

  SinkWorld& world_;
  IpAddress address_;
  std::string address_text_;
  std::uint64_t connection_;
  TimePoint now_{};
  std::string line_;  // the beginning of a command line
  std::string helo_;
  std::optional<TlsFacts> tls_;
  Transaction transaction_;
  std::uint64_t transactions_ = 0;
  std::uint64_t accepted_ = 0;
  bool in_data_ = false;
  bool stopped_ = false;  // what comes in is dropped
  DataReader reader_;
  std::deque<SinkOutput> outputs_;
};

}  // namespace postrider::bench
