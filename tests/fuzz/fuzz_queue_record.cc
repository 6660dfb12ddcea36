// What the queue reads back from disk: any octets behind a right checksum decode into a record that
// encodes into the same octets, or are refused. (Behind a wrong checksum they are refused at once.)

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "queue/keys.h"
#include "queue/record.h"

namespace {

using namespace postrider::queue;

// `payload` as a stored value under `key`.
std::string stored(std::string_view key, std::string_view payload) {
  const std::string_view pieces[] = {payload};
  const auto trailer = body_trailer(key, pieces);
  std::string value(payload);
  value.append(trailer.data(), trailer.size());
  return value;
}

template <class Decoded>
void same_again(std::string_view key, const Decoded& decoded, const std::string& value) {
  if (decoded && encode(key, *decoded) != value) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view payload(reinterpret_cast<const char*>(data) + 1, size - 1);
  const MessageId id{0x0123456789abcdef, 0xfedcba9876543210};
  switch (data[0] % 5) {
    case 0: {
      const std::string key = message_key(id);
      const std::string value = stored(key, payload);
      same_again(key, decode_message(key, value), value);
      break;
    }
    case 1: {
      const std::string key = delivery_key({id, 7});
      const std::string value = stored(key, payload);
      same_again(key, decode_delivery(key, value), value);
      break;
    }
    case 2: {
      const std::string key = queue_key("k");
      const std::string value = stored(key, payload);
      same_again(key, decode_queue(key, value), value);
      break;
    }
    case 3: {
      const std::string key = state_key("totals");
      const std::string value = stored(key, payload);
      same_again(key, decode_totals(key, value), value);
      break;
    }
    default: {
      (void)decode_message(message_key(id), payload);
      (void)decode_position(payload, "k");
      (void)decode_number(left_key(id), stored(left_key(id), payload));
      break;
    }
  }
  return 0;
}
