// The system's full host name.
#include <array>
#include <cerrno>
#include <memory>
#include <netdb.h>
#include <unistd.h>

#include "relay/base/ascii.h"
#include "relay/config/config.h"
#include "relay/message/address.h"

namespace postrider::config {

namespace {

// A name with at least one dot, in normal form; "" for what is none.
std::string full_name(std::string_view text) {
  const auto name = message::normalize_domain(text);
  return name && name->find('.') != std::string::npos ? *name : std::string();
}

}  // namespace

Result<std::string> system_host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) {
    return failure(Error::from_errno("the system does not tell its host name", errno));
  }
  const std::string short_name = buffer.data();
  if (std::string name = full_name(short_name); !name.empty()) return name;
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(short_name.c_str(), nullptr, &hints, &found) == 0) {
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
    if (found->ai_canonname != nullptr) {
      if (std::string name = full_name(found->ai_canonname); !name.empty()) return name;
    }
  }
  return failure("the system's own name '" + ascii::printable(short_name, 100) +
                 "' has no domain; set it, like \"relay.example.com\"");
}

}  // namespace postrider::config
