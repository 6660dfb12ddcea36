// signing_bench: what the signatures of one message cost, with Google Benchmark: by algorithm, size
// of the message and canonical form of its body.
//
//   signing_bench [--benchmark_filter=rsa]
#include <benchmark/benchmark.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string>

#include "relay/signing/signature.h"

namespace postrider::bench {
namespace {

using signing::Canonical;
using signing::Signings;

std::shared_ptr<const signing::Key> new_key(EVP_PKEY* made) {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, made, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  const std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(out);
  EVP_PKEY_free(made);
  return *signing::Key::parse(pem, "the new key");
}

std::shared_ptr<const signing::Signing> with(std::shared_ptr<const signing::Key> key,
                                             Canonical body) {
  auto signing = std::make_shared<signing::Signing>();
  signing->key = std::move(key);
  signing->domain = "example.com";
  signing->selector = "relay1";
  signing->body = body;
  return signing;
}

// Of words, as text is; in blocks as they come out of a session.
message::Body body_of(std::size_t size) {
  constexpr std::size_t kBlock = std::size_t{64} * 1024;
  std::string text;
  while (text.size() < size) text += "The quick brown fox jumps over the lazy dog, and again.\r\n";
  message::Body body;
  for (std::size_t at = 0; at < text.size(); at += kBlock) {
    body.append(Chunk(text.substr(at, kBlock)));
  }
  return body;
}

void sign(benchmark::State& state, const Signings& signings) {
  const message::HeaderSection header(
      "Message-ID: <20261122.1@example.com>\r\nDate: Sun, 22 Nov 2026 05:00:00 +0000\r\n"
      "From: Shop <news@example.com>\r\nTo: Ann <ann@example.org>\r\nSubject: Your order\r\n"
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "List-Unsubscribe: <https://example.com/u/1>\r\n"
      "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n");
  const message::Body body = body_of(static_cast<std::size_t>(state.range(0)) * 1024);
  while (state.KeepRunning()) {
    auto fields = signing::signature_fields(signings, header, body, WallTime{});
    benchmark::DoNotOptimize(fields);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}

void add(const char* name, const Signings& signings) {
  benchmark::RegisterBenchmark(name, [signings](benchmark::State& state) { sign(state, signings); })
      ->ArgName("KiB")
      ->Arg(4)
      ->Arg(100)
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace
}  // namespace postrider::bench

int main(int argc, char** argv) {
  using namespace postrider;  // NOLINT(google-build-using-namespace)
  const auto rsa = bench::new_key(EVP_RSA_gen(2048U));
  const auto ed25519 = bench::new_key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  using signing::Canonical;
  bench::add("rsa2048/relaxed", {bench::with(rsa, Canonical::kRelaxed)});
  bench::add("rsa2048/simple", {bench::with(rsa, Canonical::kSimple)});
  bench::add("ed25519/relaxed", {bench::with(ed25519, Canonical::kRelaxed)});
  bench::add("ed25519/simple", {bench::with(ed25519, Canonical::kSimple)});
  bench::add("both/relaxed",
             {bench::with(rsa, Canonical::kRelaxed), bench::with(ed25519, Canonical::kRelaxed)});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
