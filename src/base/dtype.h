// The two number formats of activations and of blocks. Stored values never change meaning.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace kvlink {

enum class DType : uint32_t { kF32 = 0, kBF16 = 1 };

inline int64_t SizeOf(DType t) { return t == DType::kF32 ? 4 : 2; }
inline std::string_view Name(DType t) { return t == DType::kF32 ? "f32" : "bf16"; }

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

}  // namespace kvlink
