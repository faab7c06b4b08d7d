// GGML's tensor types: their numbers in files, their names, and how many bytes a block of them
// takes. Not here: what the bytes mean (tensor/quant.h; layouts in docs/gguf-types.md). Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace kvlink {

// Values as they stand in a GGUF file.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

struct GgmlTypeTraits {
  std::string_view name;   // "Q4_1"
  int64_t block_elements;  // 1 for unquantised types
  int64_t block_bytes;
};

// nullptr for a value that is not in the enumeration.
const GgmlTypeTraits* TraitsOf(uint32_t ggml_type);

}  // namespace kvlink
