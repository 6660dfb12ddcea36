#include "relay/tls/openssl.h"

#include <array>
#include <cstdio>
#include <openssl/err.h>

namespace postrider::tls {

std::string reason_of(unsigned long code) {
  if (const char* words = ERR_reason_error_string(code); words != nullptr) return words;
  std::array<char, 32> number{};
  std::snprintf(number.data(), number.size(), "error 0x%lx", code);
  return number.data();
}

std::string drain_errors() {
  const unsigned long cause = ERR_get_error();
  if (cause == 0) return {};
  unsigned long outermost = cause;
  while (const unsigned long code = ERR_get_error()) outermost = code;
  std::string text = reason_of(outermost);
  if (std::string words = reason_of(cause); words != text) text += " (" + words + ")";
  return text;
}

}  // namespace postrider::tls
