// Contexts, certificates and a wire between two engines, for the tests of relay/tls. Certificates
// that generate_identity() cannot make (expired, signed by an authority, RSA) are made here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/random.h"
#include "relay/tls/engine.h"

namespace postrider::tls {

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "postrider-tls-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }

  ~TempDirectory() { std::filesystem::remove_all(path_); }

  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

 private:
  std::string path_;
};

// A server's identity in files, with the certificate that a client may trust for it.
struct IdentityFiles {
  explicit IdentityFiles(const std::vector<std::string>& names = {"mx.example"})
      : IdentityFiles(generate_identity(names, 30).value()) {}

  explicit IdentityFiles(const GeneratedIdentity& identity)
      : server{directory.write("cert.pem", identity.certificate_pem),
               directory.write("key.pem", identity.key_pem)} {}

  TempDirectory directory;
  ServerIdentity server;
};

inline std::shared_ptr<const Context> server_context(const IdentityFiles& files) {
  return Context::server(files.server).value();
}

inline std::shared_ptr<const Context> any_client() {
  return Context::client({}).value();
}

inline std::shared_ptr<const Context> verifying_client(const std::string& ca_file) {
  return Context::client({Verification::kPeer, ca_file}).value();
}

// Two engines and the bytes between them, cut at random.
class Pair {
 public:
  Pair(Engine server_engine, Engine client_engine, std::uint64_t seed = 1)
      : server(std::move(server_engine)), client(std::move(client_engine)), random_(seed) {}

  // Until neither has anything to say. Each string moves in pieces of 1 to `piece_max` bytes.
  void pump(std::size_t piece_max = SIZE_MAX) {
    client.receive("", client_got);
    for (;;) {
      const std::string to_server = client.take_output();
      const std::string to_client = server.take_output();
      if (to_server.empty() && to_client.empty()) return;
      pass(to_server, server, server_got, piece_max);
      pass(to_client, client, client_got, piece_max);
    }
  }

  [[nodiscard]] bool both_open() const {
    return server.state() == Engine::State::kOpen && client.state() == Engine::State::kOpen;
  }

  Engine server;
  Engine client;
  std::string server_got;
  std::string client_got;

 private:
  void pass(std::string_view bytes, Engine& to, std::string& plain, std::size_t piece_max) {
    while (!bytes.empty()) {
      const std::size_t room = std::min(piece_max, bytes.size());
      const std::size_t piece = piece_max == SIZE_MAX ? room : 1 + random_.below(room);
      to.receive(bytes.substr(0, piece), plain);
      bytes.remove_prefix(piece);
    }
  }

  SeededRandom random_;
};

}  // namespace postrider::tls
