#include "bench/sim/message_log.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <openssl/evp.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "bench/json_text.h"
#include "relay/base/ascii.h"
#include "relay/base/clock.h"
#include "relay/base/log.h"

namespace postrider::bench {

namespace {

constexpr std::string_view kSequenceField = "X-Sequence:";

Result<event::Descriptor> open_file(const std::string& path, int flags) {
  event::Descriptor file(
      ::open(path.c_str(), flags | O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) return failure(Error::from_errno("opening " + path, errno));
  return file;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string sha256(std::string_view bytes) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
             EVP_sha256(), nullptr);
  digest.resize(size);
  return ascii::hex(digest);
}

// A recipient as a part of a file name: foreign text chooses no path.
std::string file_name_part(std::string_view recipient) {
  static constexpr std::size_t kLongest = 100;
  std::string name(recipient.substr(0, kLongest));
  for (char& c : name) {
    const bool plain = ascii::is_alpha(c) || ascii::is_digit(c);
    if (!plain && std::string_view("@._+-").find(c) == std::string_view::npos) c = '_';
  }
  return name;
}

}  // namespace

std::string_view find_sequence(std::string_view content) {
  const std::string_view header = content.substr(0, content.find("\r\n\r\n"));
  for (std::size_t at = 0; at < header.size();) {
    const std::size_t end = std::min(header.find("\r\n", at), header.size());
    const std::string_view line = header.substr(at, end - at);
    if (ascii::istarts_with(line, kSequenceField)) {
      return ascii::trim(line.substr(kSequenceField.size()));
    }
    at = end + 2;
  }
  return {};
}

Result<std::unique_ptr<MessageLog>> MessageLog::open(const Options& options,
                                                     Statistics& statistics) {
  std::unique_ptr<MessageLog> log(new MessageLog(options, statistics));
  std::vector<std::string> paths;
  if (!options.save_directory.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.save_directory, error);
    if (error) {
      return failure("making directory " + options.save_directory + ": " + error.message());
    }
    paths.push_back(options.save_directory + "/log.jsonl");
  }
  if (!options.record_file.empty()) paths.push_back(options.record_file);
  for (const std::string& path : paths) {
    auto file = open_file(path, O_APPEND);
    if (!file) return failure(file.error());
    log->record_files_.push_back(*std::move(file));
  }
  return log;
}

bool MessageLog::keeps_content() const {
  return !record_files_.empty() || options_.events;
}

std::uint64_t MessageLog::add(const AcceptedMessage& message) {
  const std::uint64_t number = last_number_.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::string_view sequence = find_sequence(message.content);
  if (keeps_content()) {
    if (!options_.save_directory.empty()) save(number, message);
    record(number, message, sequence);
  }
  statistics_.recipients.fetch_add(message.recipients.size(), std::memory_order_relaxed);
  statistics_.bytes.fetch_add(message.size, std::memory_order_relaxed);
  if (message.bare_line_ends) {
    statistics_.bare_line_ends.fetch_add(1, std::memory_order_relaxed);
  }
  if (!sequence.empty()) {
    for (const std::string& recipient : message.recipients) {
      statistics_.note_delivery(sequence, recipient);
    }
  }
  // Last, so that who waits for this count finds the rest done.
  statistics_.messages.fetch_add(1, std::memory_order_release);
  return number;
}

void MessageLog::save(std::uint64_t number, const AcceptedMessage& message) {
  const std::string recipient =
      message.recipients.empty() ? "nobody" : file_name_part(message.recipients.front());
  const std::string path =
      options_.save_directory + "/" + std::to_string(number) + "-" + recipient + ".eml";
  const auto file = open_file(path, 0);
  if (!file || !write_all(file->get(), message.content)) {
    log::error("sim", "a message was not saved",
               {{"file", path}, {"error", Error::from_errno("write", errno).text()}});
  }
}

void MessageLog::record(std::uint64_t number, const AcceptedMessage& message,
                        std::string_view sequence) {
  JsonObject object;
  const auto now = Monotonic::now().time_since_epoch();
  object.number("n", number)
      .number("at", std::chrono::duration_cast<std::chrono::microseconds>(now).count())
      .text("mx", message.mx_address)
      .text("helo", message.helo)
      .text("tls", message.tls_version)
      .text("cipher", message.tls_cipher)
      .flag("resumed", message.tls_resumed)
      .text("sender", message.sender)
      .text("parameters", message.mail_parameters)
      .texts("recipients", message.recipients)
      .number("size", message.size)
      .text("sha256", sha256(message.content))
      .text("sequence", sequence)
      .flag("bare_line_ends", message.bare_line_ends)
      .number("connection", message.connection)
      .number("transaction", message.transaction);
  // One write a line: lines of several threads do not mix in a file opened for appending.
  const std::string line = object.str() + "\n";
  bool written = true;
  for (const event::Descriptor& file : record_files_) {
    written = write_all(file.get(), line) && written;
  }
  if (options_.events) written = write_all(STDOUT_FILENO, line) && written;
  if (!written) {
    log::error("sim", "a record was not written",
               {{"error", Error::from_errno("write", errno).text()}});
  }
}

}  // namespace postrider::bench
