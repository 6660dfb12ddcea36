#include "tests/sim/mail_host.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace postrider::sim {

namespace {

constexpr Duration kDripInterval = Milliseconds(500);
constexpr std::size_t kEndlessLines = 200;
// A relay that is silent for so long is given up (RFC 5321 section 4.5.3.2.7).
constexpr std::string_view kEndOfText = "\r\n.\r\n";

bool starts_with(std::string_view line, std::string_view verb) {
  if (line.size() < verb.size()) return false;
  for (std::size_t i = 0; i < verb.size(); ++i) {
    if ((line[i] & ~0x20) != (verb[i] & ~0x20)) return false;
  }
  return true;
}

// What stands between the first < and the next >.
std::string path_in(std::string_view line) {
  const std::size_t from = line.find('<');
  const std::size_t to = line.find('>', from);
  if (from == std::string_view::npos || to == std::string_view::npos) return "?";
  return std::string(line.substr(from + 1, to - from - 1));
}

std::string unstuffed(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  bool line_begins = true;
  for (const char c : text) {
    if (!line_begins || c != '.') plain += c;
    line_begins = c == '\n';
  }
  return plain;
}

}  // namespace

class HostSession final : public FarEnd {
 public:
  HostSession(MailHost& host, Wire& wire) : host_(host), wire_(wire) {
    ++host_.connections;
    host_.open_most = std::max(host_.open_most, ++host_.open);
  }

  ~HostSession() override { leave(); }

  HostSession(const HostSession&) = delete;
  HostSession& operator=(const HostSession&) = delete;

  void on_open() override {
    const Manners& manners = host_.manners;
    if (manners.connections_max != 0 && host_.open > manners.connections_max) {
      ++host_.turned_away;
      return go("421 4.7.0 too many concurrent connections from you");
    }
    reply(Phase::kGreeting, "220 " + host_.name() + " ESMTP");
  }

  void on_data(std::string_view bytes) override {
    if (host_.outage() != nullptr) {
      wire_.reset();
      return leave();
    }
    if (silent_ || wire_.is_closed()) return;
    input_ += bytes;
    while (!silent_ && !wire_.is_closed()) {
      if (in_text_ ? !take_text() : !take_line()) return;
    }
  }

  void on_end() override {
    wire_.close();
    leave();
  }

 private:
  void leave() {
    if (!std::exchange(left_, true)) --host_.open;
  }

  bool take_line() {
    const std::size_t end = input_.find('\n');
    if (end == std::string::npos) return false;
    if (end == 0 || input_[end - 1] != '\r')
      host_.receiver_.on_misconduct("a bare LF in a command");
    const std::string line = input_.substr(0, end == 0 ? 0 : end - 1);
    input_.erase(0, end + 1);
    command(line);
    return true;
  }

  bool take_text() {
    // An empty text is the dot alone.
    if (!input_.starts_with(".\r\n")) {
      const std::size_t end = input_.find(kEndOfText, searched_);
      if (end == std::string::npos) {
        searched_ = input_.size() - std::min(input_.size(), kEndOfText.size() - 1);
        return false;
      }
      text_ = input_.substr(0, end + 2);
      input_.erase(0, end + kEndOfText.size());
    } else {
      text_.clear();
      input_.erase(0, 3);
    }
    searched_ = 0;
    in_text_ = false;
    end_of_text();
    return true;
  }

  void command(const std::string& line) {
    if (starts_with(line, "EHLO")) return hello();
    if (starts_with(line, "HELO")) return reply(Phase::kHello, "250 " + host_.name());
    if (starts_with(line, "STARTTLS")) return start_tls();
    if (starts_with(line, "MAIL FROM:")) return mail(line);
    if (starts_with(line, "RCPT TO:")) return recipient(line);
    if (starts_with(line, "DATA")) return data();
    if (starts_with(line, "RSET")) {
      sender_.reset();
      recipients_.clear();
      return say("250 2.0.0 forgotten");
    }
    if (starts_with(line, "NOOP")) return say("250 2.0.0 nothing done");
    if (starts_with(line, "QUIT")) return go("221 2.0.0 bye");
    host_.receiver_.on_misconduct("an unknown command: " + line.substr(0, 40));
    say("500 5.5.1 what?");
  }

  void hello() {
    std::string lines = "250-" + host_.name() + "\r\n250-8BITMIME\r\n";
    if (host_.manners.pipelining) lines += "250-PIPELINING\r\n";
    if (host_.manners.broken_tls) lines += "250-STARTTLS\r\n";
    reply(Phase::kHello, lines + "250 ENHANCEDSTATUSCODES");
  }

  // No TLS comes: what is said instead breaks the handshake.
  void start_tls() {
    say("220 2.0.0 go ahead");
    say("500 5.5.1 what is this?");
    silent_ = true;
    wire_.close();
    leave();
  }

  void mail(const std::string& line) {
    if (sender_) host_.receiver_.on_misconduct("MAIL inside of a transaction");
    if (host_.manners.per_connection_max != 0 && carried_ >= host_.manners.per_connection_max) {
      return enough();
    }
    if (host_.over_rate()) {
      return reply(Phase::kMail, "451 4.7.1 your message rate is too high, slow down");
    }
    host_.receiver_.on_transactions(wire_.number(), ++transactions_);
    sender_ = path_in(line);
    recipients_.clear();
    reply(Phase::kMail, "250 2.1.0 sender ok");
  }

  void enough() {
    switch (host_.manners.enough) {
      case Enough::kSilentClose:
        wire_.close();
        return leave();
      case Enough::k421:
        return go("421 4.3.2 enough for one connection");
      case Enough::k452:
        return say("452 4.5.3 enough messages for one connection");
    }
  }

  void recipient(const std::string& line) {
    const std::string who = path_in(line);
    if (host_.on_recipient) host_.on_recipient(who);
    // Pipelined behind a MAIL that was turned away.
    if (!sender_) return say("503 5.5.1 MAIL first");
    const Manners& manners = host_.manners;
    if (host_.greylists(who)) return reply(Phase::kRecipient, "451 4.7.1 greylisted, try again");
    if (chance(host_.random_, manners.defers)) {
      return reply(Phase::kRecipient, "450 4.2.1 mailbox busy");
    }
    if (chance(host_.random_, manners.refuses)) {
      host_.receiver_.on_refused(who);
      return reply(Phase::kRecipient, "550 5.1.1 no such user");
    }
    recipients_.push_back(who);
    reply(Phase::kRecipient, "250 2.1.5 recipient ok");
  }

  void data() {
    if (!sender_ || recipients_.empty()) return say("503 5.5.1 nobody to send it to");
    in_text_ = true;
    reply(Phase::kData, "354 go ahead");
    // A relay that gets no 354 sends no text, and what it says next is a command.
    if (data_failed_) in_text_ = false;
    data_failed_ = false;
  }

  void end_of_text() {
    const Manners& manners = host_.manners;
    const std::string sender = *std::exchange(sender_, std::nullopt);
    if (chance(host_.random_, manners.defers_text)) return reply(Phase::kText, "451 4.3.0 later");
    if (chance(host_.random_, manners.refuses_text)) {
      for (const std::string& who : recipients_) host_.receiver_.on_refused(who);
      return reply(Phase::kText, "554 5.6.0 not this");
    }
    ++carried_;
    ++host_.taken;
    ++host_.this_minute_;
    Task told =
        host_.receiver_.on_taken({sender, std::exchange(recipients_, {}), unstuffed(text_)});
    reply(Phase::kText, "250 2.0.0 taken", std::move(told));
  }

  void say(std::string text, Task told = {}) {
    text += "\r\n";
    wire_.send(std::move(text),
               between(host_.random_, host_.manners.think_from, host_.manners.think_to),
               std::move(told));
  }

  void go(const std::string& last) {
    say(last);
    wire_.close();
    leave();
  }

  // Answers a phase, unless a fault comes first.
  void reply(Phase phase, const std::string& text, Task told = {}) {
    for (const FaultShare& one : host_.manners.faults) {
      if (one.phase == phase && chance(host_.random_, one.share)) {
        data_failed_ = phase == Phase::kData;
        return fail(one.fault, text, std::move(told));
      }
    }
    say(text, std::move(told));
  }

  void fail(Fault fault, const std::string& text, Task told) {
    switch (fault) {
      case Fault::kSilence:
        silent_ = true;
        return;
      case Fault::kLostReply:
      case Fault::kClose:
        wire_.close();
        return leave();
      case Fault::kReset:
        wire_.reset();
        return leave();
      case Fault::kGarbage:
        return say("\x01\x02 no reply at all");
      case Fault::kEndless: {
        std::string lines;
        for (std::size_t i = 0; i < kEndlessLines; ++i) lines += "250-and\r\n";
        return say(lines);
      }
      case Fault::kDrip:
        data_failed_ = false;
        return drip(text + "\r\n", std::move(told));
      case Fault::kDeaf:
        silent_ = true;
        return wire_.stop_reading();
      case Fault::kGoing:
        return go("421 4.3.2 going down");
    }
  }

  void drip(const std::string& text, Task told) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool last = i + 1 == text.size();
      wire_.send(text.substr(i, 1), kDripInterval, last ? std::move(told) : Task());
    }
  }

  MailHost& host_;
  Wire& wire_;
  std::string input_;
  std::string text_;
  std::size_t searched_ = 0;  // of input_, for the end of the text
  std::optional<std::string> sender_;
  std::vector<std::string> recipients_;
  unsigned carried_ = 0;
  unsigned transactions_ = 0;
  bool in_text_ = false;
  bool data_failed_ = false;
  bool silent_ = false;
  bool left_ = false;
};

const Outage* MailHost::outage() const {
  const TimePoint now = Timeline::current().now();
  const auto found = std::ranges::find_if(
      manners.outages, [now](const Outage& one) { return one.from <= now && now < one.until; });
  return found == manners.outages.end() ? nullptr : &*found;
}

Reach MailHost::reach() {
  if (!manners.reachable) return Reach::kUnreachable;
  const Outage* now = outage();
  return now != nullptr ? now->reach : Reach::kAccepts;
}

std::unique_ptr<FarEnd> MailHost::accept(Wire& wire) {
  return std::make_unique<HostSession>(*this, wire);
}

bool MailHost::over_rate() {
  if (manners.per_minute_max == 0) return false;
  const TimePoint now = Timeline::current().now();
  if (now - minute_ >= std::chrono::minutes(1)) {
    minute_ = now;
    this_minute_ = 0;
  }
  return this_minute_ >= manners.per_minute_max;
}

bool MailHost::greylists(const std::string& recipient) {
  if (manners.greylisted == Duration{}) return false;
  const TimePoint now = Timeline::current().now();
  const auto [seen, fresh] = first_seen_.emplace(recipient, now);
  return fresh || now - seen->second < manners.greylisted;
}

}  // namespace postrider::sim
