// MailHost: one address of a simulated mail exchanger, and how it treats those who connect: caps,
// rates, greylisting, refusals, and every way of misbehaving, by shares that the seed decides. It
// reads SMTP by its own means and shares nothing with relay/smtp. Thread: one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/sim/network.h"
#include "tests/sim/timeline.h"

namespace postrider::sim {

enum class Phase : std::uint8_t { kGreeting, kHello, kMail, kRecipient, kData, kText };

enum class Fault : std::uint8_t {
  kSilence,  // no answer any more
  kClose,    // instead of an answer
  kReset,
  kGarbage,    // no reply
  kEndless,    // a reply that goes on and on
  kDrip,       // the right reply, a byte at a time
  kDeaf,       // reads nothing any more
  kGoing,      // 421 and the end of the connection
  kLostReply,  // the text is taken, and the connection ends without a word
};

struct FaultShare {
  Phase phase = Phase::kGreeting;
  Fault fault = Fault::kSilence;
  double share = 0;  // of the passes through the phase
};

// What a connection that has carried enough meets.
enum class Enough : std::uint8_t { kSilentClose, k421, k452 };

struct Outage {
  TimePoint from;
  TimePoint until;
  Reach reach = Reach::kRefuses;
};

struct Manners {
  Duration latency = Milliseconds(10);  // one way
  // Before each reply.
  Duration think_from = Milliseconds(1);
  Duration think_to = Milliseconds(5);
  bool reachable = true;  // false: the network knows no way there
  bool pipelining = true;
  bool broken_tls = false;          // offers STARTTLS and does not speak it
  unsigned connections_max = 0;     // at a time; beyond, 421. 0: any
  unsigned per_connection_max = 0;  // messages; 0: any
  Enough enough = Enough::k421;
  unsigned per_minute_max = 0;  // messages taken; beyond, 451. 0: any
  Duration greylisted{};        // a recipient's first tries are put off so long
  double defers = 0;            // share of RCPT that get a 4xx
  double refuses = 0;           // share of RCPT that get a 5xx
  double defers_text = 0;
  double refuses_text = 0;
  std::vector<FaultShare> faults;
  std::vector<Outage> outages;
};

// A transaction that a host has taken.
struct Taken {
  std::string sender;
  std::vector<std::string> recipients;
  std::string text;  // as it was before stuffing
};

// Who is told what hosts see.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // Returns what runs once the relay has the 250.
  virtual Task on_taken(const Taken& taken) = 0;
  // A recipient was refused for good.
  virtual void on_refused(const std::string& recipient) = 0;
  // The relay did what no client may do.
  virtual void on_misconduct(const std::string& what) = 0;
  // A connection has carried so many transactions.
  virtual void on_transactions(std::uint64_t wire, unsigned count) = 0;
};

class MailHost final : public Listener {
 public:
  MailHost(std::string name, Random& random, Receiver& receiver)
      : name_(std::move(name)), random_(random), receiver_(receiver) {}

  Manners manners;

  // Listener
  Reach reach() override;

  Duration latency() override { return manners.latency; }

  std::unique_ptr<FarEnd> accept(Wire& wire) override;

  [[nodiscard]] const std::string& name() const { return name_; }

  [[nodiscard]] const Outage* outage() const;

  // Told of each RCPT.
  UniqueFunction<void(const std::string& recipient)> on_recipient;

  // Messages; connections that were accepted, those of them that were too many, and the most at a
  // time.
  std::uint64_t taken = 0;
  std::uint64_t connections = 0;
  std::uint64_t turned_away = 0;
  unsigned open = 0;
  unsigned open_most = 0;

 private:
  friend class HostSession;

  bool over_rate();
  bool greylists(const std::string& recipient);

  std::string name_;
  Random& random_;
  Receiver& receiver_;
  TimePoint minute_{};
  unsigned this_minute_ = 0;
  std::unordered_map<std::string, TimePoint> first_seen_;
};

}  // namespace postrider::sim
