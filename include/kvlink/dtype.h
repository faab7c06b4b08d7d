// The number formats of activations and blocks. Stored values never change meaning.
#pragma once

#include <cstdint>
#include <string_view>

#include "kvlink/status.h"

namespace kvlink {

enum class DType : uint32_t { kF32 = 0, kBF16 = 1 };

inline std::string_view Name(DType t) { return t == DType::kF32 ? "f32" : "bf16"; }

// "f32", "bf16", "auto" (bf16); anything else is kInvalidArgument.
inline Result<DType> ParseDType(std::string_view text) {
  if (text == "f32") return DType::kF32;
  if (text == "bf16" || text == "auto") return DType::kBF16;
  return InvalidArgument("dtype is '" + std::string(text) + "'; it can be auto, bf16 or f32");
}

}  // namespace kvlink
