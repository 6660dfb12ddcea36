// Preloaded into Debian's OpenSMTPD 6.8.0, which cannot sign a TLS handshake with OpenSSL 3 (its
// issue 1171): it marks its key with what is needed to ask the process that holds the private part,
// but OpenSSL signs with a copy of the key that has lost the mark. The process has one key; its
// mark is kept here and given for every copy.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

enum { kMark = 0 };  // the index OpenSMTPD uses

static void* kept;

int RSA_set_ex_data(void* key, int index, void* data) {
  int (*const next)(void*, int, void*) =
      (int (*)(void*, int, void*))dlsym(RTLD_NEXT, "RSA_set_ex_data");
  if (index == kMark && data != NULL) kept = data;
  return next(key, index, data);
}

void* RSA_get_ex_data(const void* key, int index) {
  void* (*const next)(const void*, int) =
      (void* (*)(const void*, int))dlsym(RTLD_NEXT, "RSA_get_ex_data");
  void* const data = next(key, index);
  return data == NULL && index == kMark ? kept : data;
}
