#include "relay/delivery/tls_sessions.h"

#include <utility>

namespace postrider::delivery {

namespace {

std::string key_of(const Target& target) {
  return target.host + " " + target.ip.to_string();
}

}  // namespace

std::optional<tls::Session> TlsSessions::take(const Target& target) {
  auto node = sessions_.lock()->extract(key_of(target));
  if (node.empty()) return std::nullopt;
  return std::move(node.mapped());
}

void TlsSessions::keep(const Target& target, tls::Session session) {
  auto sessions = sessions_.lock();
  if (sessions->size() >= kMax) sessions->erase(sessions->begin());
  sessions->insert_or_assign(key_of(target), std::move(session));
}

}  // namespace postrider::delivery
