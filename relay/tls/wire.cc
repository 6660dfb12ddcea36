#include "relay/tls/wire.h"

#include <algorithm>
#include <cstring>

namespace postrider::tls {

namespace {

Wire& wire_of(BIO* bio) {
  return *static_cast<Wire*>(BIO_get_data(bio));
}

int read_wire(BIO* bio, char* into, std::size_t room, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  std::string_view& input = wire_of(bio).input_view;
  *count = std::min(room, input.size());
  if (*count == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(into, input.data(), *count);
  input.remove_prefix(*count);
  return 1;
}

int write_wire(BIO* bio, const char* bytes, std::size_t size, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  wire_of(bio).output.append(bytes, size);
  *count = size;
  return 1;
}

// OpenSSL flushes at the end of each flight; everything else has nothing to do here.
long control_wire(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postrider wire");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read_ex(method, read_wire);
  BIO_meth_set_write_ex(method, write_wire);
  BIO_meth_set_ctrl(method, control_wire);
  return method;
}

}  // namespace

BioPtr wire_bio(Wire& wire) {
  // Made once and kept for the life of the process, as OpenSSL keeps its own methods.
  static BIO_METHOD* const method = make_method();
  if (method == nullptr) return nullptr;
  BioPtr bio(BIO_new(method));
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio.get(), &wire);
  BIO_set_init(bio.get(), 1);
  return bio;
}

}  // namespace postrider::tls
