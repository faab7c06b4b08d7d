// GGML's tensor types and their decoding to float. Layouts: ggml's block formats as documented in
// docs/gguf-types.md. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ggml_type.h"

namespace kvlink::tensor {

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

}  // namespace kvlink::tensor
