// Keyring: the keys there are, and which of them sign a message. Thread: immutable; a reload makes
// another one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/result.h"
#include "relay/signing/options.h"
#include "relay/signing/signature.h"

namespace postrider::signing {

class Keyring {
 public:
  // Reads every key file; the error is of the first that cannot be used. Never on a loop.
  static Result<std::shared_ptr<const Keyring>> read(const std::vector<KeyOptions>& options);

  // The same files once more. A key whose file cannot be used any longer stays as it is here, and
  // `problems` says why.
  [[nodiscard]] std::shared_ptr<const Keyring> read_again(std::vector<Error>& problems) const;

  // Who signs for an author's domain (in normal form) and a tenant: the keys of that domain, or of
  // the nearest above it that are for its subdomains; among them those of the tenant, if any, or
  // else those of no tenant. Empty: nobody.
  [[nodiscard]] Signings find(std::string_view domain, std::string_view tenant) const;

  // The canonical forms of a body that its keys sign, each once. They are those of the options, so
  // that reading the files again does not change them.
  [[nodiscard]] std::vector<Canonical> body_forms() const;

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    KeyOptions options;
    std::shared_ptr<const Signing> signing;
  };

  void add(const KeyOptions& options, std::shared_ptr<const Key> key);
  [[nodiscard]] Signings matching(std::string_view domain, std::string_view tenant,
                                  bool below) const;

  std::vector<Entry> entries_;
  std::map<std::string, std::vector<std::size_t>, std::less<>> by_domain_;
};

}  // namespace postrider::signing
