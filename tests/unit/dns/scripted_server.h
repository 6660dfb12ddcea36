// ScriptedServer: a real DNS server on a port of 127.0.0.1, UDP and TCP, that answers as a test
// tells it, well or badly, and remembers what it was asked. Thread: any.
#pragma once

#include <arpa/inet.h>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "relay/base/ascii.h"
#include "relay/base/ip.h"

namespace postrider::dns {

inline std::string be16(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xffU), static_cast<char>(value & 0xffU)};
}

inline std::string be32(std::uint32_t value) {
  return be16(value >> 16) + be16(value & 0xffffU);
}

inline std::string wire_name(std::string_view name) {
  std::string wire;
  for (const std::string_view label : ascii::split(name, '.')) {
    if (label.empty()) continue;
    wire.push_back(static_cast<char>(label.size()));
    wire.append(label);
  }
  wire.push_back('\0');
  return wire;
}

// One resource record, uncompressed.
inline std::string record(std::string_view owner, unsigned type, std::uint32_t ttl,
                          const std::string& data) {
  return wire_name(owner) + be16(type) + be16(1) + be32(ttl) +
         be16(static_cast<unsigned>(data.size())) + data;
}

inline std::string mx(std::string_view owner, unsigned preference, std::string_view host,
                      std::uint32_t ttl = 300) {
  return record(owner, 15, ttl, be16(preference) + wire_name(host));
}

inline std::string cname(std::string_view owner, std::string_view target, std::uint32_t ttl = 300) {
  return record(owner, 5, ttl, wire_name(target));
}

inline std::string address(std::string_view owner, std::string_view ip, std::uint32_t ttl = 300) {
  const IpAddress parsed = IpAddress::parse(ip).value();
  return record(owner, parsed.is_v4() ? 1 : 28, ttl, std::string(parsed.bytes()));
}

inline std::string soa(std::uint32_t ttl, std::uint32_t minimum) {
  return record(
      "", 6, ttl,
      wire_name("ns") + wire_name("admin") + be32(1) + be32(2) + be32(3) + be32(4) + be32(minimum));
}

struct Reply {
  unsigned rcode = 0;
  std::vector<std::string> answers;
  std::vector<std::string> authority;
  bool silent = false;   // no answer at all
  int silent_times = 0;  // none to the first so many queries
  bool truncated_on_udp = false;
  bool always_truncated = false;
  bool wrong_id = false;
  bool wrong_question = false;
  bool folds_case = false;     // echoes the question in lower case
  bool knows_no_edns = false;  // FORMERR where the query has an OPT record
  bool close_on_tcp = false;   // takes the query and closes
  std::string garbage;         // sent behind the id, the rest is ignored
};

struct Asked {
  std::string question;  // "MX example.org", in lower case
  std::string name;      // as it was written
  std::uint16_t id = 0;
  bool tcp = false;
  bool edns = false;
};

class ScriptedServer {
 public:
  ScriptedServer() {
    // The system chooses a UDP port; the TCP port of that number may be taken.
    for (int attempt = 0; attempt < 20 && !bind_both(); ++attempt) close_sockets();
    if (tcp_ < 0) ADD_FAILURE() << "no port is free for both UDP and TCP";
    thread_ = std::thread([this] { serve(); });
  }

  ~ScriptedServer() {
    ending_ = true;
    thread_.join();
    close_sockets();
  }

  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] Endpoint endpoint() const { return endpoint_; }

  // What is asked otherwise does not exist.
  void on(const std::string& question, Reply reply) {
    const std::lock_guard lock(mutex_);
    replies_[question] = std::move(reply);
  }

  // Answers nothing until release().
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }

  void release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
  }

  std::vector<Asked> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  std::size_t count(const std::string& question) {
    std::size_t count = 0;
    for (const Asked& asked : asked()) count += asked.question == question ? 1 : 0;
    return count;
  }

  // False if they did not come within a generous time.
  bool wait_for(std::size_t queries) {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return asked_.size() >= queries; });
  }

 private:
  struct Held {
    std::string query;
    sockaddr_in peer{};
  };

  bool bind_both() {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const address = reinterpret_cast<sockaddr*>(&local);
    udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (::bind(udp_, address, sizeof(local)) != 0) return false;
    socklen_t length = sizeof(local);
    ::getsockname(udp_, address, &length);
    tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(tcp_, address, sizeof(local)) != 0 || ::listen(tcp_, 64) != 0) return false;
    endpoint_ = {IpAddress::v4(INADDR_LOOPBACK), ntohs(local.sin_port)};
    return true;
  }

  void close_sockets() {
    for (int* fd : {&udp_, &tcp_}) {
      if (*fd >= 0) ::close(*fd);
      *fd = -1;
    }
    for (const auto& [fd, input] : connections_) ::close(fd);
    connections_.clear();
  }

  void serve() {
    while (!ending_) {
      std::vector<pollfd> polled = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
      for (const auto& [fd, input] : connections_) polled.push_back({fd, POLLIN, 0});
      ::poll(polled.data(), polled.size(), 5);
      if ((polled[0].revents & POLLIN) != 0) serve_udp();
      if ((polled[1].revents & POLLIN) != 0) {
        const int fd = ::accept(tcp_, nullptr, nullptr);
        if (fd >= 0) connections_[fd] = "";
      }
      for (std::size_t i = 2; i < polled.size(); ++i) {
        if (polled[i].revents != 0) serve_tcp(polled[i].fd);
      }
      answer_held();
    }
  }

  void serve_udp() {
    char buffer[4096];
    Held query;
    socklen_t length = sizeof(query.peer);
    const ssize_t size = ::recvfrom(udp_, buffer, sizeof(buffer), 0,
                                    reinterpret_cast<sockaddr*>(&query.peer), &length);
    if (size < 12) return;
    query.query.assign(buffer, static_cast<std::size_t>(size));
    note(query.query, false);
    held_queries_.push_back(std::move(query));
  }

  void answer_held() {
    {
      const std::lock_guard lock(mutex_);
      if (held_) return;
    }
    for (const Held& held : std::exchange(held_queries_, {})) {
      const auto packet = reply_to(held.query, false);
      if (!packet) continue;
      ::sendto(udp_, packet->data(), packet->size(), 0,
               reinterpret_cast<const sockaddr*>(&held.peer), sizeof(held.peer));
    }
  }

  void serve_tcp(int fd) {
    char buffer[4096];
    const ssize_t size = ::recv(fd, buffer, sizeof(buffer), 0);
    if (size <= 0) {
      ::close(fd);
      connections_.erase(fd);
      return;
    }
    std::string& input = connections_[fd];
    input.append(buffer, static_cast<std::size_t>(size));
    while (input.size() >= 2) {
      const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(input[0]))
                                     << 8 |
                                 static_cast<unsigned char>(input[1]);
      if (input.size() < 2 + length) return;
      const std::string query = input.substr(2, length);
      input.erase(0, 2 + length);
      const Asked asked = note(query, true);
      const auto packet = reply_to(query, true);
      if (close_on_tcp(asked.question)) {
        ::close(fd);
        connections_.erase(fd);
        return;
      }
      if (!packet) continue;
      const std::string framed = be16(static_cast<unsigned>(packet->size())) + *packet;
      ::send(fd, framed.data(), framed.size(), MSG_NOSIGNAL);
    }
  }

  bool close_on_tcp(const std::string& question) {
    const std::lock_guard lock(mutex_);
    const auto found = replies_.find(question);
    return found != replies_.end() && found->second.close_on_tcp;
  }

  static Asked parse(const std::string& query, std::size_t& question_end) {
    Asked asked;
    asked.id = static_cast<std::uint16_t>(static_cast<unsigned char>(query[0]) << 8 |
                                          static_cast<unsigned char>(query[1]));
    asked.edns = query[11] != 0;
    std::size_t at = 12;
    while (at < query.size() && query[at] != 0) {
      const auto length = static_cast<std::size_t>(query[at]);
      if (!asked.name.empty()) asked.name.push_back('.');
      asked.name += query.substr(at + 1, length);
      at += 1 + length;
    }
    const auto type = static_cast<unsigned char>(query[at + 2]);
    question_end = at + 5;
    const std::string label = type == 15 ? "MX " : type == 1 ? "A " : "AAAA ";
    asked.question = label + ascii::lower(asked.name);
    return asked;
  }

  Asked note(const std::string& query, bool tcp) {
    std::size_t end = 0;
    Asked asked = parse(query, end);
    asked.tcp = tcp;
    const std::lock_guard lock(mutex_);
    asked_.push_back(asked);
    arrived_.notify_all();
    return asked;
  }

  std::optional<std::string> reply_to(const std::string& query, bool tcp) {
    std::size_t end = 0;
    const Asked asked = parse(query, end);
    Reply reply{.rcode = 3, .authority = {soa(60, 60)}};
    {
      const std::lock_guard lock(mutex_);
      const auto found = replies_.find(asked.question);
      if (found != replies_.end()) {
        reply = found->second;
        if (found->second.silent_times > 0 && found->second.silent_times-- > 0) return std::nullopt;
      }
    }
    if (reply.silent) return std::nullopt;
    if (!reply.garbage.empty()) return query.substr(0, 2) + reply.garbage;
    std::string question = query.substr(12, end - 12);
    if (reply.wrong_question) question[1] = question[1] == 'z' ? 'y' : 'z';
    if (reply.folds_case) question = ascii::lower(question);
    const bool cut = reply.always_truncated || (reply.truncated_on_udp && !tcp);
    const bool refuses_edns = reply.knows_no_edns && asked.edns;
    if (cut || refuses_edns) reply.answers.clear();
    std::string packet = be16(static_cast<std::uint16_t>(asked.id + (reply.wrong_id ? 1 : 0)));
    packet.push_back(static_cast<char>(0x81 | (cut ? 0x02 : 0)));
    packet.push_back(static_cast<char>(0x80 | (refuses_edns ? 1 : reply.rcode)));
    packet += be16(1) + be16(static_cast<unsigned>(reply.answers.size())) +
              be16(static_cast<unsigned>(reply.authority.size())) + be16(0) + question;
    for (const std::string& answer : reply.answers) packet += answer;
    for (const std::string& authority : reply.authority) packet += authority;
    return packet;
  }

  int udp_ = -1;
  int tcp_ = -1;
  Endpoint endpoint_;
  std::map<int, std::string> connections_;  // with what arrived and is no whole query yet
  std::vector<Held> held_queries_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::string, Reply> replies_;  // guarded by mutex_
  std::vector<Asked> asked_;              // guarded by mutex_
  bool held_ = false;                     // guarded by mutex_
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace postrider::dns
