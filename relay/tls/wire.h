// Wire: the two ends of a connection as memory, for OpenSSL to read from and write to.
//
// A BIO of our own rather than OpenSSL's memory BIO: input is read where the caller has it, output
// grows in the string that the caller gets, so each byte is copied once and an idle connection
// keeps no buffer. Private to relay/tls. Thread: one caller at a time.
#pragma once

#include <string>
#include <string_view>

#include "relay/tls/openssl.h"

namespace postrider::tls {

struct Wire {
  std::string_view input_view;  // of the caller of Engine::receive, during that call
  std::string output;
};

// Reads `wire.input_view`, consuming it, and appends to `wire.output`; empty input says "try
// later". `wire` outlives the BIO. Null if out of memory.
BioPtr wire_bio(Wire& wire);

}  // namespace postrider::tls
