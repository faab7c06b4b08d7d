// Sizes of the number formats, and conversions of 16-bit numbers.
#pragma once

#include <cstdint>
#include <cstring>

#include "kvlink/dtype.h"

namespace kvlink {

inline int64_t SizeOf(DType t) { return t == DType::kF32 ? 4 : 2; }

using bf16_t = uint16_t;  // the upper half of an IEEE float32

// Round to nearest, ties to even. NaN stays NaN.
inline bf16_t ToBf16(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<bf16_t>((u >> 16) | 0x40);
  return static_cast<bf16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
inline float FromBf16(bf16_t b) {
  const uint32_t u = static_cast<uint32_t>(b) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

// Of an IEEE half: exact.
inline float FromF16(uint16_t h) {
  const uint32_t sign = (h & 0x8000u) << 16;
  const uint32_t exponent = (h >> 10) & 0x1f;
  const uint32_t mantissa = h & 0x3ffu;
  float magnitude;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24 is exact in float
    magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  } else {
    const uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);
    const uint32_t bits = (wide << 23) | (mantissa << 13);
    std::memcpy(&magnitude, &bits, 4);
  }
  uint32_t bits;
  std::memcpy(&bits, &magnitude, 4);
  bits |= sign;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

}  // namespace kvlink
