#include "bench/load/content_pool.h"

#include <algorithm>

#include "bench/load/weighted_choice.h"

namespace postrider::bench {

namespace {

constexpr std::size_t kLineText = 76;
constexpr std::size_t kLine = kLineText + 2;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Chunk make_pool(std::size_t size, std::uint64_t seed) {
  Dice dice(seed);
  std::string text;
  text.reserve(size + kLine);
  while (text.size() < size) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < kLineText; ++i) {
      // Ten characters of six bits from one roll.
      if (i % 10 == 0) bits = dice.roll();
      text += kAlphabet[bits & 63U];
      bits >>= 6U;
    }
    text += "\r\n";
  }
  return Chunk(std::move(text));
}

}  // namespace

ContentPool::ContentPool(std::size_t largest_message, std::uint64_t seed)
    : common_header_(
          "From: Load <load@load.invalid>\r\n"
          "Subject: a message of the load generator\r\n"
          "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
          "MIME-Version: 1.0\r\n"
          "Content-Type: text/plain; charset=us-ascii\r\n"
          "\r\n"),
      pool_(make_pool(std::max(kLeastSize, largest_message * 2), seed)),
      end_of_line_and_data_(nullptr, "\r\n.\r\n"),
      end_of_data_(nullptr, ".\r\n") {}

std::vector<Chunk> ContentPool::content(std::string head, std::size_t size,
                                        std::uint64_t chance) const {
  head += common_header_;
  std::size_t wanted = size > head.size() + 2 ? size - head.size() - 2 : 0;
  const std::size_t starts = (pool_.size() - std::min(wanted, pool_.size())) / kLine;
  Chunk text = pool_.slice(chance % (starts + 1) * kLine, wanted);
  // Not between CR and LF.
  if (text.view().ends_with('\r')) text = text.slice(0, text.size() - 1);
  const bool whole_line = text.empty() || text.view().ends_with('\n');
  std::vector<Chunk> chunks;
  chunks.reserve(3);
  chunks.emplace_back(std::move(head));
  chunks.push_back(std::move(text));
  chunks.push_back(whole_line ? end_of_data_ : end_of_line_and_data_);
  return chunks;
}

}  // namespace postrider::bench
