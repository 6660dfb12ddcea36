#include "relay/config/local_addresses.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace postrider::config {

namespace {

// What binding a socket to it says: the list of interfaces would not know of whole networks that
// are local, or of addresses that may be used before they are there.
std::optional<std::string> trouble_with(const IpAddress& ip) {
  const int fd = ::socket(ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::string("no socket: ") + std::strerror(errno);
  sockaddr_storage storage{};
  const unsigned length = Endpoint{ip, 0}.to_sockaddr(storage);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length);
  const int error = errno;
  ::close(fd);
  if (bound == 0) return std::nullopt;
  if (error == EADDRNOTAVAIL) return "is not an address of this machine";
  return std::string("cannot be sent from: ") + std::strerror(error);
}

void check(std::vector<Problem>& problems, const std::string& name,
           const std::optional<IpAddress>& address) {
  if (!address) return;
  if (const auto trouble = trouble_with(*address)) {
    problems.push_back({name, address->to_string() + " " + *trouble});
  }
}

}  // namespace

std::vector<Problem> check_local_addresses(const Config& config) {
  std::vector<Problem> problems;
  check(problems, "delivery.source_ipv4", config.delivery.source_ipv4);
  check(problems, "delivery.source_ipv6", config.delivery.source_ipv6);
  const auto& sources = config.delivery.sources;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    check(problems, fmt::format("source[{}].ipv4", i), sources[i].ipv4);
    check(problems, fmt::format("source[{}].ipv6", i), sources[i].ipv6);
  }
  return problems;
}

}  // namespace postrider::config
