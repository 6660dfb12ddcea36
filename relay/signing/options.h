// Options of signing. Thread: immutable after start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace postrider::signing {

// Of the header section and of the body, as the tag "c=" names both.
enum class Canonicalization : std::uint8_t {
  kRelaxedRelaxed,
  kRelaxedSimple,
  kSimpleRelaxed,
  kSimpleSimple,
};

// Signatures that one message gets at most: keys of one domain and tenant.
inline constexpr std::size_t kSignaturesMax = 4;

// One [[dkim]]: a key, and whose messages it signs.
struct KeyOptions {
  std::string domain;       // the tag "d=", and the domain of From, in normal form
  bool subdomains = false;  // From may also be of a domain below it
  std::string tenant;    // only its messages; "": everybody's for whom no key of a tenant is there
  std::string selector;  // the tag "s="
  std::string key_file;
  // Names of fields that are signed besides those that always are.
  std::vector<std::string> headers;
  Canonicalization canonicalization = Canonicalization::kRelaxedRelaxed;
};

struct Options {
  std::vector<KeyOptions> keys;
  // Threads that sign; 0: one a core. RSA of 2048 bits takes about 0.3 ms of one.
  unsigned threads = 0;
  // Messages waiting for a thread; beyond, 451 4.3.2.
  std::size_t waiting_max = 1000;
};

}  // namespace postrider::signing
