// A matrix in the codes that its file has it in, packed for generated rows: decoding reads every
// weight for a row of each request, so 6 to 10 bits a weight, scales included, instead of 16 or 32
// are what it gains. Exact: nothing is rounded but the rows. Place on the main path:
// Linear::RunRows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kvlink/status.h"
#include "tensor/quant.h"
#include "tensor/quantized_rows.h"
#include "tensor/weight_memory.h"

namespace kvlink::tensor {

// [N, K]. Immutable, thread-safe.
class QuantizedMatrix {
 public:
  static bool CanHold(GgmlType type, int64_t k);

  // Packs `source`, N rows of the type's blocks, into `where`, which must outlive it.
  // kResourceExhausted: no memory. REQUIRES: CanHold(type, k), N > 0.
  static Result<QuantizedMatrix> Create(GgmlType type, const std::byte* source, int64_t n,
                                        int64_t k, WeightMemory* where);

  // y [rows, y_stride] at columns [begin, end) = x [rows, K] W^T (or += it). REQUIRES: begin is a
  // multiple of 16.
  void Multiply(const QuantizedRows& x, int64_t begin, int64_t end, bool add, float* y,
                int64_t y_stride) const;

  // A row as floats, the same bits as Dequantize makes of the source. out [K].
  void ReadRow(int64_t row, float* out) const;

  int64_t n() const { return n_; }
  int64_t bytes() const;

 private:
  QuantizedMatrix(int64_t n, int64_t k, TileLayout layout, const std::byte* tiles)
      : n_(n), k_(k), layout_(layout), tiles_(tiles) {}

  int64_t n_, k_;
  TileLayout layout_;
  const std::byte* tiles_;  // in a WeightMemory
};

}  // namespace kvlink::tensor
