// TlsSessions: the TLS sessions of a site from one source, to be resumed. All its
// connections are made under one TLS policy. Thread: any.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "relay/base/guarded.h"
#include "relay/delivery/targets.h"
#include "relay/tls/context.h"

namespace postrider::delivery {

class TlsSessions {
 public:
  // The newest of this host and address, once: a TLS 1.3 ticket that is used twice lets an observer
  // link the connections (RFC 8446, C.4).
  std::optional<tls::Session> take(const Target& target);
  void keep(const Target& target, tls::Session session);

 private:
  static constexpr std::size_t kMax = 64;

  Guarded<std::map<std::string, tls::Session>> sessions_;  // by host and address
};

}  // namespace postrider::delivery
