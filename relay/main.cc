// The one binary: arguments and configuration are relay/tool's, the running relay is
// relay/daemon's.

#include "relay/daemon/daemon.h"
#include "relay/tool/terminal.h"
#include "relay/tool/tool.h"

int main(int argc, char** argv) {
  postrider::tool::hold_standard_streams();
  return postrider::tool::run(argc, argv, [](const postrider::config::Config& config) {
    return postrider::daemon::serve(config);
  });
}
