// Raising the limit of open descriptors, for tools that hold thousands of connections.
#pragma once

namespace postrider::bench {

// Raises this process's soft limit to the hard one, as far as the system allows.
void raise_descriptor_limit();

}  // namespace postrider::bench
