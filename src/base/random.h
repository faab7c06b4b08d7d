// Pseudo-random numbers that are the same on every machine and compiler, so that a seed names a
// shuffle, a resample or an answer. Not for secrets.
#pragma once

#include <cstdint>

namespace kvlink {

// SplitMix64 (Steele, Lea, Flood 2014). One owner, one thread.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // Uniform in [0, 1), a multiple of 2^-53.
  double NextUnit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

  // Uniform in [0, below). REQUIRES: below > 0
  uint64_t Below(uint64_t below) {
    // Numbers at the end of the range that would favour small remainders are drawn again.
    const uint64_t unfair = (0 - below) % below;
    uint64_t drawn = Next();
    while (drawn < unfair) drawn = Next();
    return drawn % below;
  }

 private:
  uint64_t state_;
};

}  // namespace kvlink
