// Sockets that a service manager has bound for us and passes at the start (sd_listen_fds(3)): the
// environment says how many there are and what they are called.
//
// Thread: at the start only, before there are others: it changes the environment.
#pragma once

#include <string>
#include <vector>

#include "relay/base/result.h"
#include "relay/event/tcp.h"
#include "relay/submission/options.h"

namespace postrider::daemon {

struct PassedSocket {
  event::Descriptor descriptor;  // listening, non-blocking
  std::string name;  // FileDescriptorName= of its unit; that of the unit itself by default
  Endpoint address;
};

// What LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say is ours; they are taken out of the
// environment, so that no child takes it for its own. Empty: nothing was passed to this process. An
// error where something was that is no listening TCP socket. `first` is the first descriptor; for
// tests.
Result<std::vector<PassedSocket>> take_passed_sockets(int first = 3);

// The sockets of the listeners, in their order: one that was passed (with the name that the
// listener asks for, or else bound to its address), or one bound here. An error where a passed one
// is nobody's: clients would wait on it for ever.
Result<std::vector<event::Descriptor>> sockets_of(
    const std::vector<submission::ListenerOptions>& listeners, std::vector<PassedSocket> passed);

}  // namespace postrider::daemon
