// MessageLog: what is kept of the messages that the simulated hosts accept: counts always; a record
// a message, and the messages themselves, where asked for. Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/sim/statistics.h"
#include "relay/base/guarded.h"
#include "relay/base/result.h"
#include "relay/event/tcp.h"

namespace postrider::bench {

struct AcceptedMessage {
  std::string_view mx_address;
  std::string_view helo;
  std::string_view tls_version;  // empty: not encrypted
  std::string_view tls_cipher;
  bool tls_resumed = false;
  std::string_view sender;
  std::string_view mail_parameters;  // what stood behind the address in MAIL
  const std::vector<std::string>& recipients;
  std::string_view content;  // whole only if keeps_content()
  std::uint64_t size = 0;
  bool bare_line_ends = false;
  std::uint64_t connection = 0;   // numbers of the simulation, from 1
  std::uint64_t transaction = 0;  // within the connection, from 1
};

class MessageLog {
 public:
  struct Options {
    std::string save_directory;  // messages, and their records in log.jsonl; empty: none
    std::string record_file;     // records only; empty: none
    bool events = false;         // records on standard output
  };

  // Makes the directory where needed. The records of an earlier run in it are replaced.
  static Result<std::unique_ptr<MessageLog>> open(const Options& options, Statistics& statistics);

  // Records exist: then contents must be whole.
  [[nodiscard]] bool keeps_content() const;

  // Returns the message's number, from 1. A full disk is said on the log, and the message counts as
  // accepted: the simulation itself promises nothing.
  std::uint64_t add(const AcceptedMessage& message);

 private:
  MessageLog(Options options, Statistics& statistics)
      : options_(std::move(options)), statistics_(statistics) {}

  void record(std::uint64_t number, const AcceptedMessage& message, std::string_view sequence);
  void save(std::uint64_t number, const AcceptedMessage& message);

  Options options_;
  Statistics& statistics_;
  std::atomic<std::uint64_t> last_number_{0};
  std::vector<event::Descriptor> record_files_;  // opened for appending
};

// The value of the header field X-Sequence; empty where there is none.
std::string_view find_sequence(std::string_view content);

}  // namespace postrider::bench
