#include "relay/tool/admin_client.h"

#include <cerrno>
#include <httplib.h>

#include "relay/base/clock.h"

namespace postrider::tool {

namespace {

constexpr Seconds kConnectTimeout{5};
// The server itself waits 10 s for the queue.
constexpr Seconds kReadTimeout{30};

Endpoint reachable(Endpoint address) {
  if (!address.ip.is_unspecified()) return address;
  address.ip = *IpAddress::parse(address.ip.is_v4() ? "127.0.0.1" : "::1");
  return address;
}

// The library's own words are names of its enumerators.
std::string reason(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
      return "nobody listens there";
    case httplib::Error::ConnectionTimeout:
      return "no connection within 5 seconds";
    case httplib::Error::Read:
      return "connected, but no answer came";
    case httplib::Error::Write:
      return "connected, but the request could not be sent";
    default:
      return httplib::to_string(error);
  }
}

}  // namespace

AdminClient::AdminClient(const Endpoint& address, std::string token)
    : address_(reachable(address)), token_(std::move(token)) {}

Result<AdminReply> AdminClient::send(const std::string& method, const std::string& path,
                                     const Parameters& parameters) const {
  httplib::Client client(address_.ip.to_string(), address_.port);
  client.set_connection_timeout(kConnectTimeout);
  client.set_read_timeout(kReadTimeout);
  client.set_write_timeout(kConnectTimeout);
  httplib::Params query;
  for (const auto& [name, value] : parameters) query.emplace(name, value);
  httplib::Request request;
  request.method = method;
  request.path = query.empty() ? path : httplib::append_query_params(path, query);
  // What the library would write for an IPv6 address is not a host of RFC 9110 section 7.2.
  request.set_header("Host", address_.to_string());
  if (!token_.empty()) request.set_header("Authorization", "Bearer " + token_);
  const httplib::Result result = client.send(request);
  if (result) return AdminReply{result->status, result->body};
  return failure("nothing answers on " + address_.to_string() + ": " + reason(result.error()));
}

}  // namespace postrider::tool
