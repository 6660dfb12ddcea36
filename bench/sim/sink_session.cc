#include "bench/sim/sink_session.h"

#include <utility>

#include "relay/base/ascii.h"

namespace postrider::bench {

namespace {

using After = SinkOutput::After;

struct Path {
  std::string address;
  std::string parameters;
};

// "FROM:<a@b> SIZE=1" with `keyword` "FROM:". Nullopt where the form is wrong.
std::optional<Path> parse_path(std::string_view arguments, std::string_view keyword) {
  if (!ascii::istarts_with(arguments, keyword)) return std::nullopt;
  const std::string_view text = ascii::trim(arguments.substr(keyword.size()));
  if (!text.starts_with('<')) return std::nullopt;
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted) {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '>' && !quoted) {
      return Path{std::string(text.substr(1, i - 1)), std::string(ascii::trim(text.substr(i + 1)))};
    }
  }
  return std::nullopt;
}

std::string domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == address.npos ? "" : ascii::lower(address.substr(at + 1));
}

// A local part such as "reject-550" or "defer-451.anything" asks for that reply.
std::optional<int> code_in_local_part(std::string_view recipient) {
  const std::string_view local = recipient.substr(0, recipient.rfind('@'));
  for (const auto& [prefix, first] : {std::pair<std::string_view, char>{"reject-", '5'},
                                      std::pair<std::string_view, char>{"defer-", '4'}}) {
    if (!ascii::istarts_with(local, prefix)) continue;
    const std::string_view digits = local.substr(prefix.size(), 3);
    const auto code = ascii::parse_u64(digits);
    const std::string_view rest = local.substr(prefix.size() + digits.size());
    const bool ends = rest.empty() || !ascii::is_digit(rest.front());
    if (code && digits.size() == 3 && digits.front() == first && ends) {
      return static_cast<int>(*code);
    }
  }
  return std::nullopt;
}

// The value of SIZE= among the parameters of MAIL.
std::optional<std::uint64_t> declared_size(std::string_view parameters) {
  for (const std::string_view parameter : ascii::split(parameters, ' ')) {
    if (ascii::istarts_with(parameter, "SIZE=")) return ascii::parse_u64(parameter.substr(5));
  }
  return std::nullopt;
}

}  // namespace

const std::array<SinkSession::Verb, 9>& SinkSession::verbs() {
  static constexpr std::array<Verb, 9> kVerbs = {{
      {"MAIL", &SinkSession::mail},
      {"RCPT", &SinkSession::rcpt},
      {"DATA", &SinkSession::data},
      {"EHLO", &SinkSession::ehlo},
      {"HELO", &SinkSession::helo},
      {"QUIT", &SinkSession::quit},
      {"RSET", &SinkSession::reset},
      {"NOOP", &SinkSession::noop},
      {"STARTTLS", &SinkSession::starttls},
  }};
  return kVerbs;
}

SinkSession::SinkSession(SinkWorld& world, const IpAddress& address, std::uint64_t connection)
    : world_(world),
      address_(address),
      address_text_(address.to_string()),
      connection_(connection) {}

void SinkSession::begin(std::uint64_t open_here) {
  const auto here = site();
  if (here.rule != nullptr && here.rule->connections > 0 && open_here > here.rule->connections) {
    say("421 4.7.0 too many connections at the same time", here.rule);
    stop(After::kClose);
    return;
  }
  const std::string greeting = "220 mx1." + std::string(here.domain) + " ESMTP simulated host";
  if (!answer(Phase::kGreeting, here.rule, greeting)) stop(After::kClose);
}

void SinkSession::receive(std::string_view bytes, TimePoint now) {
  now_ = now;
  while (!bytes.empty() && !stopped_) {
    if (in_data_) {
      bytes.remove_prefix(reader_.receive(bytes));
      if (reader_.done()) end_of_data();
      continue;
    }
    const std::size_t newline = bytes.find('\n');
    std::string_view line = bytes.substr(0, newline == bytes.npos ? newline : newline + 1);
    bytes.remove_prefix(line.size());
    if (!line_.empty() || newline == line.npos) {
      line_ += line;
      line = line_;
    }
    if (line_.size() > kMaxLine) {
      say("500 5.5.2 line too long", nullptr);
      stop(After::kClose);
    } else if (newline != bytes.npos) {
      command(line);
      line_.clear();
    }
  }
}

void SinkSession::tls_established(TlsFacts facts) {
  tls_ = std::move(facts);
  stopped_ = false;
  // RFC 3207 section 4.2: what was known before the handshake is forgotten.
  helo_.clear();
  transaction_ = {};
}

std::optional<SinkOutput> SinkSession::next() {
  if (outputs_.empty()) return std::nullopt;
  SinkOutput output = std::move(outputs_.front());
  outputs_.pop_front();
  return output;
}

void SinkSession::command(std::string_view line) {
  if (!line.ends_with("\r\n")) {
    say("500 5.5.2 a line ends with CR LF", nullptr);
    return;
  }
  line.remove_suffix(2);
  const std::size_t space = line.find(' ');
  const std::string_view name = line.substr(0, space);
  const std::string_view rest = space == line.npos ? "" : ascii::trim(line.substr(space));
  for (const Verb& verb : verbs()) {
    if (ascii::iequals(verb.name, name)) {
      (this->*verb.handler)(rest);
      return;
    }
  }
  say("502 5.5.1 command not implemented", site().rule);
}

std::string SinkSession::ehlo_reply(const RuleBook::Site& here) const {
  std::string reply = "250-mx1." + std::string(here.domain) + " greets you\r\n";
  const bool tls_off = here.rule != nullptr && here.rule->tls == TlsMode::kOff;
  if (!tls_ && !tls_off) reply += "250-STARTTLS\r\n";
  reply += "250-SIZE " + std::to_string(world_.size_max) + "\r\n";
  reply += "250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES";
  return reply;
}

void SinkSession::ehlo(std::string_view arguments) {
  const auto here = site();
  transaction_ = {};
  if (answer(Phase::kEhlo, here.rule, ehlo_reply(here))) helo_ = arguments;
}

void SinkSession::helo(std::string_view arguments) {
  transaction_ = {};
  helo_ = arguments;
  const auto here = site();
  say("250 mx1." + std::string(here.domain), here.rule);
}

void SinkSession::starttls(std::string_view) {
  const auto here = site();
  if (tls_ || (here.rule != nullptr && here.rule->tls == TlsMode::kOff)) {
    say("502 5.5.1 STARTTLS is not offered", here.rule);
    return;
  }
  const bool broken = here.rule != nullptr && here.rule->tls == TlsMode::kBroken;
  if (answer(Phase::kStartTls, here.rule, "220 2.0.0 ready for TLS")) {
    stop(broken ? After::kBreakTls : After::kStartTls);
  }
}

std::optional<std::string> SinkSession::refusal_of_mail(std::string_view parameters,
                                                        const DomainRule* rule) {
  if (transaction_.open) return "503 5.5.1 a transaction is open";
  if (rule != nullptr && rule->tls == TlsMode::kRequired && !tls_) {
    return "530 5.7.0 Must issue a STARTTLS command first";
  }
  if (rule != nullptr && rule->messages_per_connection > 0 &&
      accepted_ >= rule->messages_per_connection) {
    return "421 4.7.0 too many messages on this connection";
  }
  const auto size = declared_size(parameters);
  if (size && *size > world_.size_max) return "552 5.3.4 message too large";
  return std::nullopt;
}

void SinkSession::mail(std::string_view arguments) {
  const auto here = site();
  const auto path = parse_path(arguments, "FROM:");
  if (helo_.empty()) {
    say("503 5.5.1 EHLO comes first", here.rule);
  } else if (!path) {
    say("501 5.5.4 MAIL FROM:<address>", here.rule);
  } else if (const auto refusal = refusal_of_mail(path->parameters, here.rule)) {
    say(*refusal, here.rule);
    if (refusal->starts_with("421")) stop(After::kClose);
  } else if (answer(Phase::kMail, here.rule, "250 2.1.0 ok")) {
    transaction_ = {true, path->address, path->parameters, {}, ""};
    ++transactions_;
  }
}

std::optional<std::string> SinkSession::refusal_of_recipient(const std::string& recipient,
                                                             const DomainRule* rule) {
  if (rule == nullptr) return "550 5.7.1 not a domain of this simulation";
  if (transaction_.recipients.size() >= rule->recipients) return "452 4.5.3 too many recipients";
  if (const auto code = code_in_local_part(recipient)) return plain_reply(*code);
  if (rule->greylist.count() > 0 &&
      !world_.greylist.passes(transaction_.sender, recipient, rule->greylist, now_)) {
    return "450 4.2.0 greylisted, come back in " + std::to_string(rule->greylist.count()) + " ms";
  }
  return std::nullopt;
}

void SinkSession::rcpt(std::string_view arguments) {
  const auto path = parse_path(arguments, "TO:");
  if (!transaction_.open) {
    say("503 5.5.1 MAIL comes first", site().rule);
    return;
  }
  if (!path || path->address.empty()) {
    say("501 5.5.4 RCPT TO:<address>", site().rule);
    return;
  }
  const std::string domain = domain_of(path->address);
  const DomainRule* const rule = world_.rules.current().find(domain);
  if (const auto refusal = refusal_of_recipient(path->address, rule)) {
    say(*refusal, rule);
  } else if (answer(Phase::kRcpt, rule, "250 2.1.5 ok")) {
    if (transaction_.recipients.empty()) transaction_.domain = domain;
    transaction_.recipients.push_back(path->address);
  }
}

void SinkSession::data(std::string_view) {
  const DomainRule* const rule = world_.rules.current().find(transaction_.domain);
  if (!transaction_.open || transaction_.recipients.empty()) {
    say(transaction_.open ? "554 5.5.1 no valid recipients" : "503 5.5.1 MAIL comes first", rule);
  } else if (answer(Phase::kData, rule, "354 go ahead")) {
    in_data_ = true;
    reader_.restart(world_.log.keeps_content() ? world_.size_max : kHeaderKeep);
  }
}

void SinkSession::end_of_data() {
  in_data_ = false;
  const DomainRule* const rule = world_.rules.current().find(transaction_.domain);
  if (reader_.size() > world_.size_max) {
    say("552 5.3.4 message too large", rule);
  } else {
    const std::string number = std::to_string(connection_) + "." + std::to_string(transactions_);
    if (answer(Phase::kDot, rule, "250 2.0.0 ok, taken as " + number)) accept_message();
  }
  transaction_ = {};
}

void SinkSession::accept_message() {
  AcceptedMessage message{.recipients = transaction_.recipients};
  message.mx_address = address_text_;
  message.helo = helo_;
  if (tls_) {
    message.tls_version = tls_->version;
    message.tls_cipher = tls_->cipher;
    message.tls_resumed = tls_->resumed;
  }
  message.sender = transaction_.sender;
  message.mail_parameters = transaction_.parameters;
  message.content = reader_.content();
  message.size = reader_.size();
  message.bare_line_ends = reader_.bare_line_ends();
  message.connection = connection_;
  message.transaction = transactions_;
  world_.log.add(message);
  ++accepted_;
  if (const DomainRule* const rule = world_.rules.current().find(transaction_.domain)) {
    rule->counters->messages.fetch_add(1, std::memory_order_relaxed);
    rule->counters->bytes.fetch_add(message.size, std::memory_order_relaxed);
  }
}

void SinkSession::reset(std::string_view) {
  transaction_ = {};
  answer(Phase::kRset, site().rule, "250 2.0.0 ok");
}

void SinkSession::noop(std::string_view) {
  say("250 2.0.0 ok", site().rule);
}

void SinkSession::quit(std::string_view) {
  // What it asks for instead may have ended the dialogue already.
  answer(Phase::kQuit, site().rule, "221 2.0.0 bye");
  stop(After::kClose);
}

bool SinkSession::answer(Phase phase, const DomainRule* rule, const std::string& proper) {
  const Step* const step = rule == nullptr ? nullptr : rule->take_step(phase);
  if (step == nullptr) {
    say(proper, rule);
    return true;
  }
  world_.statistics.faults.fetch_add(1, std::memory_order_relaxed);
  return carry_out(*step, phase, *rule, proper);
}

bool SinkSession::carry_out(const Step& step, Phase phase, const DomainRule& rule,
                            const std::string& proper) {
  switch (step.act) {
    case Step::Act::kReply:
      say(step.reply, &rule);
      if (step.code == 421) stop(After::kClose);
      return phase == Phase::kData ? step.code == 354 : step.code < 300;
    case Step::Act::kHang:
      stop(After::kHang);
      return false;
    case Step::Act::kClose:
      stop(After::kClose);
      return false;
    case Step::Act::kReset:
      stop(After::kReset);
      return false;
    case Step::Act::kCloseAfter:
      say(proper, &rule);
      stop(After::kClose);
      return true;
    case Step::Act::kLoseReply:
      stop(After::kClose);
      return true;
    case Step::Act::kGarbage:
      act({"\x01\xFFthis is no reply\x80\r\n", rule.delay, false, After::kNothing});
      return false;
    case Step::Act::kDrip:
      act({proper + "\r\n", rule.delay, true, After::kNothing});
      return true;
    case Step::Act::kEndless:
      stop(After::kEndless, proper.substr(0, 3) + "-and another line of this reply\r\n");
      return false;
    case Step::Act::kLongLine:
      stop(After::kEndless, "and on and on ");
      return false;
  }
  return false;
}

void SinkSession::say(std::string_view reply, const DomainRule* rule) {
  if (reply.starts_with('4')) world_.statistics.replies_4xx.fetch_add(1, std::memory_order_relaxed);
  if (reply.starts_with('5')) world_.statistics.replies_5xx.fetch_add(1, std::memory_order_relaxed);
  const Milliseconds delay = rule == nullptr ? Milliseconds(0) : rule->delay;
  std::string bytes(reply);
  bytes += "\r\n";
  act({std::move(bytes), delay, false, After::kNothing});
}

// Replies that stand together go out together, as late as the latest of them.
void SinkSession::act(SinkOutput output) {
  if (!outputs_.empty() && !output.drip) {
    SinkOutput& last = outputs_.back();
    if (!last.drip && last.after == After::kNothing && output.after != After::kEndless) {
      last.bytes += output.bytes;
      last.delay = std::max(last.delay, output.delay);
      last.after = output.after;
      return;
    }
  }
  outputs_.push_back(std::move(output));
}

void SinkSession::stop(After after, std::string bytes) {
  if (stopped_) return;
  stopped_ = true;
  act({std::move(bytes), Milliseconds(0), false, after});
}

}  // namespace postrider::bench
