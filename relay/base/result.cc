#include "relay/base/result.h"

#include <system_error>

namespace postrider {

Error Error::from_errno(std::string_view what, int code) {
  std::string text(what);
  text += ": ";
  text += std::generic_category().message(code);
  return Error(std::move(text), code);
}

Error Error::within(std::string_view context) const {
  std::string told(context);
  told += ": ";
  told += text();
  return Error(std::move(told), system_code());
}

}  // namespace postrider
