// GGML's tensor types and their decoding to float. Layouts: ggml's block formats as documented in
// docs/gguf-types.md. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "kvlink/status.h"

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

// Decodes `elements` numbers. REQUIRES: the type is known, elements is a multiple of
// block_elements, and source has elements / block_elements * block_bytes bytes (any alignment).
void Dequantize(GgmlType type, const void* source, int64_t elements, float* out);

// How a quantised type writes numbers: a number is its group's scale * its code + its group's
// offset.
struct CodeTraits {
  int64_t group;        // numbers that share scale and offset: 16 or 32
  int lowest, highest;  // codes there are
  bool has_offsets;     // else all are 0
};

// nullptr: the type is not quantised.
const CodeTraits* CodesOf(GgmlType type);

// The codes [elements], scales and offsets [elements / group]. REQUIRES: CodesOf(type), and as
// Dequantize.
void Unpack(GgmlType type, const void* source, int64_t elements, int8_t* codes, float* scales,
            float* offsets);

}  // namespace kvlink
