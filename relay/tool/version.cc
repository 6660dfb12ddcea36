#include "relay/tool/version.h"

#include "relay/base/ascii.h"

namespace postrider::tool {

std::string_view version() {
  return PR_VERSION;
}

std::string version_text() {
  constexpr std::size_t kColumns = 80;
  std::string text = "postrider " PR_VERSION "\n";
  text += "build      " PR_BUILD "\n";
  text += "compiler   " PR_COMPILER "\n";
  std::string line = "libraries ";
  for (const std::string_view library : ascii::split(PR_LIBRARIES, ',')) {
    if (line.size() + library.size() + 1 > kColumns) {
      text += line + "\n";
      line = "          ";
    }
    line += library;
    line += ",";
  }
  line.back() = '\n';
  return text + line;
}

}  // namespace postrider::tool
