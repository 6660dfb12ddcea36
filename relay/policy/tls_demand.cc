#include "relay/policy/tls_demand.h"

namespace postrider::policy {

std::string_view name_of(TlsLevel level) {
  switch (level) {
    case TlsLevel::kNone:
      return "none";
    case TlsLevel::kMay:
      return "may";
    case TlsLevel::kEncrypt:
      return "encrypt";
    case TlsLevel::kVerify:
      return "verify";
  }
  return "";
}

AfterTlsFailure after_tls_failure(TlsLevel level) {
  const bool required = level == TlsLevel::kEncrypt || level == TlsLevel::kVerify;
  return required ? AfterTlsFailure::kNextHost : AfterTlsFailure::kPlaintextOnce;
}

}  // namespace postrider::policy
