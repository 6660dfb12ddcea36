// Resolution: from one domain to its route, as a state machine: questions out, answers in. No I/O,
// no time. Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dns/resolver.h"
#include "dns/wire.h"

namespace postrider::dns {

// A domain as it is asked for: lower case, without the trailing dot.
std::string normal_domain(std::string_view domain);

// The route of an address literal ("[192.0.2.1]", "[IPv6:2001:db8::1]"); kNoDomain where the text
// in the brackets is no address. Null where `domain` is no literal.
std::shared_ptr<const Route> literal_route(std::string_view domain);

// A route of status kTemporary.
std::shared_ptr<const Route> temporary_route(std::string_view domain, std::string detail);

class Resolution {
 public:
  // `random` must outlive the resolution. For a host the domain's own addresses are all that is
  // asked for.
  enum class Kind { kDomain, kHost };
  Resolution(std::string domain, Kind kind, bool ipv6, Random& random);

  [[nodiscard]] const std::string& domain() const { return domain_; }

  // The questions whose answers are needed now; each is given once. Empty while answers are
  // outstanding, and at the end.
  std::vector<Question> take_questions();
  // An answer to a question that was taken.
  void answer(const Question& question, const Answer& answer);
  // No answer will come in time: what is outstanding counts as a temporary failure. A route is
  // there afterwards.
  void give_up();

  // Null until it is known.
  [[nodiscard]] std::shared_ptr<const Route> route() const { return route_; }

 private:
  struct Candidate {
    MxRecord record;
    std::vector<IpAddress> ipv6;
    std::vector<IpAddress> ipv4;
    bool temporary = false;
    unsigned outstanding = 0;
  };

  void answer_mx(const Question& question, const Answer& answer);
  void ask_addresses(std::vector<MxRecord> hosts);
  void note_trouble(const Question& question, std::string_view what);
  void finish(RouteStatus status);
  void finish_with_hosts();

  std::string domain_;
  bool ipv6_;
  Random& random_;
  bool mx_outstanding_ = true;
  std::vector<Question> questions_;
  std::vector<Candidate> candidates_;  // in the order to be tried
  std::size_t outstanding_ = 0;        // of their addresses
  std::string site_;
  bool implicit_ = false;
  bool authentic_ = true;  // all answers so far
  std::string trouble_;
  std::shared_ptr<const Route> route_;
};

}  // namespace postrider::dns
