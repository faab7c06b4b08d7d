// Rows in 16-bit codes, and their product with tiles of a matrix in codes of 4 or 8 bits
// (tensor/quantized_matrix.h packs them), each row by the same operations in the same order
// whatever rows stand beside it. Private to src/tensor. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/dtype.h"
#include "tensor/packed_rows.h"

namespace kvlink::tensor {

// How 16 rows of a matrix by 32 of K lie, a tile:
//   codes    uint32 [4 or 8][16]: of each row 8 codes of 4 bits or 4 of 8 bits, so that a shift
//            and a mask give pairs of neighbours as 16-bit numbers
//   scales   float [32 / group][16]
//   offsets  the same, if has_offsets
// A matrix is its tiles, those of 16 rows one after the other.
struct TileLayout {
  bool nibbles = false;
  int64_t group = 0;  // numbers that share scale and offset: 16 or 32
  bool has_offsets = false;
  int64_t code_bytes() const { return nibbles ? 256 : 512; }
  int64_t bytes() const { return code_bytes() + 64 * (32 / group) * (has_offsets ? 2 : 1); }
};

// Rounded against the largest of 32 neighbours: one part in 65,534 of it. They lie group after
// group, so that the kernel finds what its rows need at one place. One owner.
class QuantizedRows : public RowGroups {
 public:
  // Room for x [rows, k]. REQUIRES: k is a multiple of 32.
  void Resize(int64_t rows, int64_t k);
  // Rounds columns [stretch * kRowStretch, ...) of x, which is in `dtype`. Each stretch of
  // stretches() once, by any threads.
  void Set(int64_t stretch, const void* x, DType dtype);
  int64_t stretches() const { return (k_ + kRowStretch - 1) / kRowStretch; }

  // [k / 2][rows of the group][2]
  const int16_t* codes(int64_t group) const { return codes_.data() + first(group) * k_; }
  // [k / 32][rows of the group]
  const float* scales(int64_t group) const { return scales_.data() + first(group) * k_ / 32; }
  // [k / 16][rows of the group]: sums of x itself, what offsets are multiplied with
  const float* sums(int64_t group) const { return sums_.data() + first(group) * k_ / 16; }
  // [k / 32][rows of the group]: of two of those
  const float* pair_sums(int64_t group) const { return pair_sums_.data() + first(group) * k_ / 32; }

 private:
  int64_t k_ = 0;
  std::vector<int16_t> codes_;
  std::vector<float> scales_;
  std::vector<float> sums_;
  std::vector<float> pair_sums_;
};

// y [rows, y_stride] at columns [begin, end) = x W^T (or += it), where W is `matrix`, tiles_of_row
// tiles wide. REQUIRES: begin is a multiple of 16.
void MultiplyTiles(const QuantizedRows& x, const std::byte* matrix, int64_t tiles_of_row,
                   const TileLayout& layout, int64_t begin, int64_t end, bool add, float* y,
                   int64_t y_stride);

}  // namespace kvlink::tensor
