// Message transfer priorities (RFC 6710), and the three bands of urgency that are told apart here:
// the levels -4, 0 and 4 of the policy MIXER (appendix B). Thread: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postrider::message {

// Mail of a higher band is sent before that of a lower one. Part of the queue's schema.
enum class Band : std::uint8_t { kLow, kNormal, kHigh };

// As the configuration and the queue commands write them.
inline constexpr std::array<std::string_view, 3> kBandNames = {"low", "normal", "high"};

constexpr std::string_view name_of(Band band) {
  return kBandNames[static_cast<std::size_t>(band)];
}

// A value between two levels counts as the higher one, one above all as the highest (section 5).
constexpr Band band_of(int priority) {
  if (priority <= -4) return Band::kLow;
  return priority <= 0 ? Band::kNormal : Band::kHigh;
}

// The highest value of the band.
constexpr int highest_of(Band band) {
  constexpr int kHighest[] = {-4, 0, 9};
  return kHighest[static_cast<std::size_t>(band)];
}

}  // namespace postrider::message
