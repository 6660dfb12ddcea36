#include "relay/daemon/activation.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "relay/base/ascii.h"

namespace postrider::daemon {

namespace {

// Far more than there are listeners.
constexpr std::uint64_t kPassedMax = 1000;

// The value of a variable, which is then no longer there.
std::string take_variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): no other thread yet
  std::string text = value == nullptr ? "" : value;
  ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe)
  return text;
}

bool listens(int descriptor) {
  int is_listening = 0;
  socklen_t size = sizeof is_listening;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) == 0 &&
         is_listening == 1;
}

Result<PassedSocket> examine(int number, std::string name) {
  PassedSocket passed{event::Descriptor(number), std::move(name), {}};
  const std::string what =
      "descriptor " + std::to_string(number) + " ('" + ascii::printable(passed.name, 60) + "')";
  const auto address = event::local_endpoint(number);
  if (!address || !listens(number)) {
    return failure(what + ", passed by the service manager, is no listening TCP socket");
  }
  passed.address = *address;
  const int flags = ::fcntl(number, F_GETFL);
  if (flags < 0 || ::fcntl(number, F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) {
    return failure(Error::from_errno("cannot set up " + what, errno));
  }
  return passed;
}

using Passed = std::vector<PassedSocket>;

// Where both name and address fit, or the one of the two that the listener goes by.
Passed::iterator find_socket(Passed& passed, const submission::ListenerOptions& listener) {
  const auto is_wanted = [&](const PassedSocket& one, bool by_address) {
    return one.descriptor.valid() && (listener.socket.empty() || one.name == listener.socket) &&
           (!by_address || one.address == listener.address);
  };
  const auto both = std::find_if(passed.begin(), passed.end(),
                                 [&](const auto& one) { return is_wanted(one, true); });
  if (both != passed.end() || listener.socket.empty()) return both;
  return std::find_if(passed.begin(), passed.end(),
                      [&](const auto& one) { return is_wanted(one, false); });
}

}  // namespace

Result<std::vector<PassedSocket>> take_passed_sockets(int first) {
  const auto process = ascii::parse_u64(take_variable("LISTEN_PID"));
  const auto count = ascii::parse_u64(take_variable("LISTEN_FDS"));
  const std::string names = take_variable("LISTEN_FDNAMES");
  if (!process || *process != static_cast<std::uint64_t>(::getpid()) || !count) return Passed{};
  if (*count > kPassedMax) return failure("LISTEN_FDS is larger than any use of it");
  const std::vector<std::string_view> all = ascii::split(names, ':');
  Passed passed;
  for (std::size_t i = 0; i < *count; ++i) {
    auto one = examine(first + static_cast<int>(i), std::string(i < all.size() ? all[i] : ""));
    if (!one) return failure(one.error());
    passed.push_back(*std::move(one));
  }
  return passed;
}

Result<std::vector<event::Descriptor>> sockets_of(
    const std::vector<submission::ListenerOptions>& listeners, Passed passed) {
  std::vector<event::Descriptor> sockets;
  for (const submission::ListenerOptions& listener : listeners) {
    const auto found = find_socket(passed, listener);
    if (found != passed.end()) {
      sockets.push_back(std::move(found->descriptor));
      continue;
    }
    // By hand, where nothing is passed, a listener with a name binds its address.
    if (!passed.empty() && !listener.socket.empty()) {
      return failure("the service manager passed no (further) socket of the name '" +
                     listener.socket + "' (listener.socket)");
    }
    auto bound = event::listen_on(listener.address);
    if (!bound) return failure(bound.error());
    sockets.push_back(*std::move(bound));
  }
  for (const PassedSocket& one : passed) {
    if (!one.descriptor.valid()) continue;
    return failure("the socket '" + ascii::printable(one.name, 60) + "' on " +
                   one.address.to_string() +
                   ", passed by the service manager, is that of no [[listener]]");
  }
  return sockets;
}

}  // namespace postrider::daemon
