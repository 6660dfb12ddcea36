#include "bench/load/id_file.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <unistd.h>

#include "relay/base/clock.h"
#include "relay/base/log.h"

namespace postrider::bench {

Result<std::unique_ptr<IdFile>> IdFile::open(const std::string& path) {
  event::Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file.valid()) return failure(Error::from_errno("opening " + path, errno));
  return std::unique_ptr<IdFile>(new IdFile(path, std::move(file)));
}

void IdFile::add(std::string_view reply, std::string_view sequence) {
  std::string line(find_queue_id(reply));
  line += ' ';
  line += sequence;
  line += ' ';
  const auto now = Monotonic::now().time_since_epoch();
  line += std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  line += '\n';
  // One write a line: lines of several threads do not mix in a file opened for appending.
  if (::write(file_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    log::error("load", "an id was not recorded",
               {{"file", path_}, {"error", Error::from_errno("write", errno).text()}});
  }
}

std::string_view find_queue_id(std::string_view reply) {
  static constexpr std::string_view kMark = "queued as ";
  const std::size_t at = reply.find(kMark);
  if (at == reply.npos) return "-";
  const std::string_view rest = reply.substr(at + kMark.size());
  const std::string_view id = rest.substr(0, rest.find_first_of(" \t\r\n;,)"));
  return id.empty() ? "-" : id;
}

}  // namespace postrider::bench
