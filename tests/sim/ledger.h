// Ledger: what must be true of everything that happens, checked as it happens, from what the hosts
// see, what the queue answered and what the journal says; never from the relay's own memory. The
// invariants:
//   - nothing vanishes: each recipient of an acknowledged message ends, and as the hosts and the
//     DNS have decided; each failure is reported;
//   - nothing is delivered twice, unless the relay never got the 250 or died before it could record
//     it; what is delivered is what was submitted;
//   - limits hold at every instant: connections of a site, messages of a connection, and no
//     connection is tried but to a mail host.
// Thread: one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "queue/queue.h"
#include "tests/sim/mail_host.h"
#include "tests/sim/network.h"

namespace postrider::sim {

// One time that a host has taken a message.
struct Copy {
  TimePoint taken;
  std::optional<TimePoint> told;  // when the relay had the 250
};

// A recipient of a letter.
struct Addressee {
  std::string address;
  bool may_bounce = false;  // a host, or the DNS, has refused it for good
  std::vector<Copy> copies;
  // By the journal.
  unsigned ends = 0;
  std::string end;  // delivered, bounced or expired
  TimePoint ended;
  std::string report;  // id of the notification
};

// A message of the traffic.
struct Letter {
  std::string sender;  // "": null
  std::size_t size = 0;
  std::vector<Addressee> to;
  TimePoint submitted;
  WallTime expires;
  bool acknowledged = false;
  bool reported = true;  // its failures are to be told
};

class Ledger final : public Receiver, public Network::Observer {
 public:
  // Within so long of a reply its record is on stable storage, or nothing has been promised.
  static constexpr Duration kRecordedWithin = Milliseconds(500);
  static constexpr std::size_t kViolationsMax = 5;

  explicit Ledger(Timeline& timeline) : timeline_(timeline) {}

  // --- what there is ---
  void place(const IpAddress& address, std::uint32_t site) { site_of_[address] = site; }

  std::size_t connections_max = 0;  // of one site
  unsigned messages_per_connection_max = 0;
  std::uint32_t add(Letter letter);
  // What letter `number` looks like, from which a host's copy must not differ.
  [[nodiscard]] std::string text_of(std::uint32_t number) const;

  void acknowledged(std::uint32_t number) { letters_[number].acknowledged = true; }

  void crashed() { crashes_.push_back(timeline_.now()); }

  // --- what happens ---
  void journal(std::string_view lines);
  Task on_taken(const Taken& taken) override;
  void on_refused(const std::string& recipient) override;

  void on_misconduct(const std::string& what) override { violation(what); }

  void on_transactions(std::uint64_t wire, unsigned count) override;
  void on_attempt(const IpAddress& address, bool known) override;
  void on_established(const Wire& wire) override;
  void on_gone(const Wire& wire) override;

  // --- the end: all must be over ---
  void check_all_ended();

  void violation(const std::string& what);

  [[nodiscard]] bool clean() const { return violations_ == 0; }

  [[nodiscard]] const std::vector<Letter>& letters() const { return letters_; }

  // Recipients that ended so: "delivered", "bounced", "expired".
  [[nodiscard]] std::size_t ended(std::string_view how) const;

  [[nodiscard]] std::size_t notices() const { return notices_.size(); }

  // Attempts to connect, by address, in the order of time.
  [[nodiscard]] const std::vector<TimePoint>& attempts(const IpAddress& address) {
    return attempts_[address];
  }

  // Of a site: connections that stand, and the most since the last look.
  [[nodiscard]] std::size_t open(std::uint32_t site) { return open_[site]; }

  // Told after each letter's recipient that was taken and whose relay has the 250.
  UniqueFunction<void(std::uint32_t letter, const Addressee&)> on_delivered;
  // Told of each connection that stands.
  UniqueFunction<void(std::uint32_t site)> on_connection;
  std::uint64_t repeated = 0;  // copies that a crash or a lost reply explains

 private:
  struct Notice {
    std::uint32_t letter = 0;
    std::vector<Copy> copies;
  };

  struct Report {
    std::uint32_t letter = 0;
    std::optional<TimePoint> accepted;
    std::string end;
  };

  Addressee* find(std::string_view address, std::uint32_t* number = nullptr);
  Task on_notice(const Taken& taken);
  void check_copies(const std::vector<Copy>& copies, const std::string& whose);
  [[nodiscard]] bool crashed_between(TimePoint from, TimePoint to) const;
  void journal_line(std::string_view line);
  void on_report(std::string_view line, std::string_view event, std::string_view id);
  void check_ended(const Letter& letter, const Addressee& to);
  void check_reports();

  Timeline& timeline_;
  std::vector<Letter> letters_;
  std::unordered_map<std::string, Notice> notices_;  // by Message-ID
  std::unordered_map<std::string, Report> reports_;  // by queue id
  std::vector<TimePoint> crashes_;
  std::map<IpAddress, std::uint32_t> site_of_;
  std::map<IpAddress, std::vector<TimePoint>> attempts_;
  std::unordered_map<std::uint32_t, std::size_t> open_;
  std::size_t violations_ = 0;
};

}  // namespace postrider::sim
