// CRC-32C (Castagnoli, as in RFC 3720 appendix B.4): the checksum in every stored value.
// Thread: pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace postrider::queue {

// The checksum of what `before` stands for followed by `bytes`; 0 stands for nothing.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

// The same by a table, whatever the processor can do: what the other is tested against.
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t before = 0);

}  // namespace postrider::queue
