// AdminClient: asks a running relay over its admin address. The one file of the tool that knows
// HTTP. Thread: one caller.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "relay/base/ip.h"
#include "relay/base/result.h"

namespace postrider::tool {

struct AdminReply {
  int code = 0;
  std::string body;
};

class AdminClient {
 public:
  using Parameters = std::vector<std::pair<std::string, std::string>>;

  // An unspecified address (0.0.0.0, [::]) is where a server listens; it is asked on loopback.
  AdminClient(const Endpoint& address, std::string token);

  // Error: nothing answered; the text names the address.
  Result<AdminReply> send(const std::string& method, const std::string& path,
                          const Parameters& parameters = {}) const;

  [[nodiscard]] const Endpoint& address() const { return address_; }

 private:
  Endpoint address_;
  std::string token_;
};

}  // namespace postrider::tool
