// What this module's files share about OpenSSL: owners for its objects, and its error queue in
// words. Private to relay/tls. Thread: pure; the error queue is the calling thread's own.
#pragma once

#include <memory>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <string>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace postrider::tls {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freed<SSL_SESSION_free>>;

// What the callbacks of a client's context put down for its engine; the SSL's app data.
struct ClientNotes {
  SessionPtr newest_session;    // that the peer gave
  CertificatePtr refused_leaf;  // the peer's certificate, if it was judged and found bad
};

// The reason of one error code, "error 0x..." where OpenSSL has no words for it.
std::string reason_of(unsigned long code);

// Empties the thread's error queue: the outermost reason, with the first cause behind it where it
// is another. "" if the queue was empty.
std::string drain_errors();

}  // namespace postrider::tls
