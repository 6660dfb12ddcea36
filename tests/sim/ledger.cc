#include "tests/sim/ledger.h"

#include <algorithm>
#include <charconv>
#include <gtest/gtest.h>
#include <utility>

namespace postrider::sim {

namespace {

constexpr std::string_view kMark = "X-Sim: ";

double seconds_of(TimePoint time) {
  return std::chrono::duration<double>(time - Timeline::kStart).count();
}

std::optional<std::uint32_t> number_at(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

// The value of a field in a line of the journal; none of those asked for is ever escaped.
std::string_view field(std::string_view line, std::string_view name) {
  const std::string key = '"' + std::string(name) + "\":\"";
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + key.size());
  return rest.substr(0, rest.find('"'));
}

}  // namespace

// --- what there is ---

std::uint32_t Ledger::add(Letter letter) {
  letters_.push_back(std::move(letter));
  return static_cast<std::uint32_t>(letters_.size() - 1);
}

std::string Ledger::text_of(std::uint32_t number) const {
  std::string text = std::string(kMark) + std::to_string(number) + "\r\nSubject: simulated\r\n\r\n";
  // Lines that begin with dots, and lines that are nothing else, want stuffing.
  static constexpr std::string_view kLines[] = {"a line\r\n", ".\r\n", "..two dots\r\n",
                                                "a somewhat longer line\r\n", ".one dot\r\n"};
  for (std::size_t i = number; text.size() < letters_[number].size; ++i) {
    text += kLines[i % std::size(kLines)];
  }
  return text;
}

// Addresses carry their letter: r<index>.<letter>@domain for recipients, s.<letter>@domain for
// senders.
Addressee* Ledger::find(std::string_view address, std::uint32_t* number) {
  const std::size_t dot = address.find('.');
  if (dot == std::string_view::npos || !address.starts_with('r')) return nullptr;
  const auto index = number_at(address.substr(1));
  const auto letter = number_at(address.substr(dot + 1));
  if (!index || !letter || *letter >= letters_.size()) return nullptr;
  Letter& found = letters_[*letter];
  if (*index >= found.to.size() || found.to[*index].address != address) return nullptr;
  if (number != nullptr) *number = *letter;
  return &found.to[*index];
}

void Ledger::violation(const std::string& what) {
  ++violations_;
  ADD_FAILURE() << "at " << seconds_of(timeline_.now()) << " s: " << what;
  if (violations_ >= kViolationsMax) timeline_.end_run();
}

// --- copies ---

bool Ledger::crashed_between(TimePoint from, TimePoint to) const {
  return std::ranges::any_of(crashes_, [=](TimePoint at) { return from <= at && at <= to; });
}

// A copy behind one whose 250 the relay had is a repeat that only a crash explains.
void Ledger::check_copies(const std::vector<Copy>& copies, const std::string& whose) {
  for (std::size_t i = 0; i + 1 < copies.size(); ++i) {
    const Copy& copy = copies[i];
    if (!copy.told || crashed_between(copy.taken, *copy.told + kRecordedWithin)) continue;
    violation("delivered twice: " + whose + ", taken at " + std::to_string(seconds_of(copy.taken)) +
              " s before");
  }
}

Task Ledger::on_taken(const Taken& taken) {
  if (taken.sender.empty() && taken.recipients.size() == 1 &&
      taken.recipients[0].starts_with("s.")) {
    return on_notice(taken);
  }
  std::vector<std::pair<std::uint32_t, std::size_t>> whose;
  for (const std::string& recipient : taken.recipients) {
    std::uint32_t number = 0;
    Addressee* to = find(recipient, &number);
    if (to == nullptr) {
      violation("mail for somebody unknown: " + recipient);
      continue;
    }
    if (taken.text != text_of(number)) violation("not the text that was submitted: " + recipient);
    if (taken.sender != letters_[number].sender) violation("not its sender: " + recipient);
    to->copies.push_back({timeline_.now(), std::nullopt});
    check_copies(to->copies, recipient);
    if (to->copies.size() > 1) ++repeated;
    whose.emplace_back(number, static_cast<std::size_t>(to - letters_[number].to.data()));
  }
  return [this, whose = std::move(whose), taken_at = timeline_.now()] {
    for (const auto& [number, index] : whose) {
      Addressee& to = letters_[number].to[index];
      for (Copy& copy : to.copies) {
        if (copy.taken == taken_at) copy.told = timeline_.now();
      }
      check_copies(to.copies, to.address);
      if (on_delivered) on_delivered(number, to);
    }
  };
}

Task Ledger::on_notice(const Taken& taken) {
  const auto letter = number_at(std::string_view(taken.recipients[0]).substr(2));
  const std::size_t mark = taken.text.find(kMark);
  const std::size_t id = taken.text.find("Message-ID: ");
  if (!letter || *letter >= letters_.size() || mark == std::string::npos ||
      id == std::string::npos) {
    violation("a notification about nothing: " + taken.recipients[0]);
    return {};
  }
  if (number_at(std::string_view(taken.text).substr(mark + kMark.size())) != letter) {
    violation("a notification to somebody else: " + taken.recipients[0]);
  }
  const std::string key = taken.text.substr(id, taken.text.find('\r', id) - id);
  Notice& notice = notices_[key];
  notice.letter = *letter;
  notice.copies.push_back({timeline_.now(), std::nullopt});
  check_copies(notice.copies, "the notification to " + taken.recipients[0]);
  return [this, key, at = notice.copies.size() - 1] {
    Notice& told = notices_[key];
    told.copies[at].told = timeline_.now();
    check_copies(told.copies, "the notification " + key);
  };
}

void Ledger::on_refused(const std::string& recipient) {
  if (Addressee* to = find(recipient)) to->may_bounce = true;
}

// --- limits ---

void Ledger::on_transactions(std::uint64_t, unsigned count) {
  if (messages_per_connection_max != 0 && count > messages_per_connection_max) {
    violation("a connection carries " + std::to_string(count) + " messages");
  }
}

void Ledger::on_attempt(const IpAddress& address, bool known) {
  if (!known) violation("a connection to " + address.to_string() + ", which is no mail host");
  attempts_[address].push_back(timeline_.now());
}

void Ledger::on_established(const Wire& wire) {
  const std::uint32_t site = site_of_[wire.address()];
  const std::size_t open = ++open_[site];
  if (open > connections_max) {
    violation(std::to_string(open) + " connections to site " + std::to_string(site));
  }
  if (on_connection) on_connection(site);
}

void Ledger::on_gone(const Wire& wire) {
  if (wire.established()) --open_[site_of_[wire.address()]];
}

// --- the journal ---

void Ledger::journal(std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    journal_line(lines.substr(0, end));
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
  }
}

void Ledger::journal_line(std::string_view line) {
  const std::string_view event = field(line, "event");
  const std::string_view recipient = field(line, "recipient");
  if (event == "deferred") return;
  if (recipient.starts_with("s.")) return on_report(line, event, field(line, "id"));
  std::uint32_t number = 0;
  Addressee* to = find(recipient, &number);
  if (to == nullptr)
    return violation("the journal tells of somebody unknown: " + std::string(line));
  if (event == "accepted") return;
  if (to->ends > 0 && !crashed_between(to->ended, to->ended + kRecordedWithin)) {
    violation("ended twice: " + to->address + ", " + to->end + " and " + std::string(event));
  }
  ++to->ends;
  to->end = event;
  to->ended = timeline_.now();
  to->report = field(line, "report");
  if (event == "expired" && timeline_.wall() < letters_[number].expires) {
    violation("expired before its time: " + to->address);
  }
}

void Ledger::on_report(std::string_view line, std::string_view event, std::string_view id) {
  const auto letter = number_at(field(line, "recipient").substr(2));
  Report& report = reports_[std::string(id)];
  report.letter = letter.value_or(0);
  if (event == "accepted") {
    report.accepted = timeline_.now();
  } else {
    report.end = event;
  }
}

// --- the end ---

std::size_t Ledger::ended(std::string_view how) const {
  std::size_t count = 0;
  for (const Letter& letter : letters_) {
    count += static_cast<std::size_t>(
        std::ranges::count_if(letter.to, [how](const auto& to) { return to.end == how; }));
  }
  return count;
}

void Ledger::check_ended(const Letter& letter, const Addressee& to) {
  if (to.ends == 0) return violation("vanished: " + to.address);
  const bool told =
      std::ranges::any_of(to.copies, [](const Copy& copy) { return copy.told.has_value(); });
  if (to.end == "delivered" && !told) return violation("never taken by a host: " + to.address);
  if (to.end != "delivered" && told && crashes_.empty()) {
    return violation("delivered, and then " + to.end + ": " + to.address);
  }
  if (to.end == "bounced" && !to.may_bounce) {
    return violation("bounced though nobody refused it: " + to.address);
  }
  if (to.end == "delivered" || letter.sender.empty() || !letter.reported) return;
  const auto report = reports_.find(to.report);
  if (report == reports_.end() || !report->second.accepted) {
    violation("failed without a report: " + to.address);
  }
}

void Ledger::check_reports() {
  std::unordered_map<std::uint32_t, int> delivered;
  for (const auto& [id, report] : reports_) {
    if (!report.accepted) continue;
    const TimePoint recorded = *report.accepted + kRecordedWithin;
    if (report.end.empty() && !crashed_between(*report.accepted, recorded)) {
      violation("a report vanished: " + id);
    }
    if (report.end == "delivered") ++delivered[report.letter];
  }
  for (const auto& [id, notice] : notices_) {
    const bool told =
        std::ranges::any_of(notice.copies, [](const Copy& copy) { return copy.told.has_value(); });
    if (told) --delivered[notice.letter];
  }
  for (const auto& [letter, difference] : delivered) {
    if (difference > 0 || (difference < 0 && crashes_.empty())) {
      violation("letter " + std::to_string(letter) +
                ": reports delivered and reports taken differ");
    }
  }
}

void Ledger::check_all_ended() {
  for (const Letter& letter : letters_) {
    const bool known = std::ranges::any_of(
        letter.to, [](const Addressee& to) { return to.ends > 0 || !to.copies.empty(); });
    // What was not acknowledged is there as a whole or not at all.
    if (!letter.acknowledged && !known) continue;
    for (const Addressee& to : letter.to) check_ended(letter, to);
  }
  check_reports();
}

}  // namespace postrider::sim
