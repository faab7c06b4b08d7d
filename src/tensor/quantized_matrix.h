// A few rows times a matrix in the codes that its file has it in: decoding reads every weight for
// one row, so 4 bits a weight instead of 16 is what it gains. Exact in the weights (no bf16
// rounding); rows are rounded to 16 bits, relative to the largest of 32 neighbours. Place on the
// main path: Linear::Run, for up to kMostFewRows rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvlink/status.h"
#include "tensor/few_rows.h"
#include "tensor/quant.h"
#include "tensor/weight_memory.h"

namespace kvlink {

// Rows to multiply, in codes. Not thread-safe; kept by its owner, for memory.
class QuantizedRows {
 public:
  // x [rows, k]. REQUIRES: 1 <= rows <= kMostFewRows, k is a multiple of 32.
  void Assign(const float* x, int64_t rows, int64_t k);

  int64_t rows() const { return rows_; }
  int64_t k() const { return k_; }
  const int16_t* codes(int64_t row) const { return codes_.data() + row * k_; }
  const float* scales(int64_t row) const { return scales_.data() + row * k_ / 32; }
  const float* sums(int64_t row) const { return sums_.data() + row * k_ / 16; }

 private:
  int64_t rows_ = 0, k_ = 0;
  std::vector<int16_t> codes_;  // [rows, k]
  std::vector<float> scales_;   // [rows, k / 32]
  std::vector<float> sums_;     // [rows, k / 16] of x itself: what offsets are multiplied with
};

// A matrix [N, K]. Immutable, thread-safe.
class QuantizedMatrix {
 public:
  static bool CanHold(GgmlType type, int64_t k);

  // Packs `source`, N rows of the type's blocks, into `where`, which must outlive it.
  // kResourceExhausted: no memory. REQUIRES: CanHold(type, k).
  static Result<QuantizedMatrix> Create(GgmlType type, const std::byte* source, int64_t n,
                                        int64_t k, WeightMemory* where);

  // y [rows, y_stride] at columns [begin, end) = x W^T (or += it). REQUIRES: x.k() == k(), begin is
  // a multiple of 16.
  void Multiply(const QuantizedRows& x, int64_t begin, int64_t end, bool add, float* y,
                int64_t y_stride) const;

  int64_t n() const { return n_; }
  int64_t bytes() const;

  // Tiles of 16 rows of the matrix by 32 of K, those of 16 rows one after the other. In a tile:
  //   codes    uint32 [4 or 8][16]: of each row 8 codes of 4 bits or 4 of 8 bits, so that a shift
  //            and a mask give pairs of neighbours as 16-bit numbers
  //   scales   float [32 / group][16]
  //   offsets  the same, if has_offsets
  struct Layout {
    bool nibbles = false;
    int64_t group = 0;  // 16 or 32
    bool has_offsets = false;
    int64_t code_bytes() const { return nibbles ? 256 : 512; }
    int64_t tile_bytes() const { return code_bytes() + 64 * (32 / group) * (has_offsets ? 2 : 1); }
  };

 private:
  QuantizedMatrix(int64_t n, int64_t k, Layout layout, const std::byte* tiles)
      : n_(n), k_(k), layout_(layout), tiles_(tiles) {}

  int64_t n_, k_;
  Layout layout_;
  const std::byte* tiles_;  // in a WeightMemory
};

}  // namespace kvlink
