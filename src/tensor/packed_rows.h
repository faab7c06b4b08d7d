// Rows of f32 times a matrix as oneDNN packed it, each row by the same operations in the same order
// whatever rows stand beside it. Decoding reads every weight for one row or a few, so the memory's
// bandwidth is the limit, and oneDNN's matmul, made for many rows, reaches half of it.
// Private to src/tensor. Thread-safe where const.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/dtype.h"

namespace kvlink::tensor {

// [N / columns][K][columns]: blocks of columns, in a block row after row of K. `paired`: in
// oneDNN's layout BA16a64b2a and its like, [N / columns][K / 2][columns][2]. Ends are padded.
struct PackedLayout {
  int64_t k = 0;        // padded; even if paired
  int64_t columns = 0;  // of N in a block, a multiple of 16; 0: the matrix lies otherwise
  DType dtype = DType::kF32;
  bool paired = false;  // bf16 only
};

// The groups of rows that share a weight while it is in registers: 8 rows with AVX-512, 4
// elsewhere, and what is left in fours, twos and ones.
class RowGroups {
 public:
  void Divide(int64_t rows);
  int64_t groups() const { return static_cast<int64_t>(first_.size()); }
  int64_t first(int64_t group) const { return first_[group]; }
  int64_t rows(int64_t group) const { return sizes_[group]; }

 private:
  std::vector<int64_t> first_, sizes_;
};

// Columns of the rows that are laid out at a time.
constexpr int64_t kRowStretch = 128;

// Rows laid out for the kernel: group after group, in a group [K][rows of the group]. One owner.
class PackedRows : public RowGroups {
 public:
  // Room for x [rows, k], which stands for x [rows, padded_k] with zeros.
  void Resize(int64_t rows, int64_t k, int64_t padded_k);
  // Lays out columns [stretch * kRowStretch, ...) of x, which is in `dtype`. Each stretch of
  // stretches() once, by any threads.
  void Set(int64_t stretch, const void* x, DType dtype);
  int64_t stretches() const { return (padded_k_ + kRowStretch - 1) / kRowStretch; }
  const float* values(int64_t group) const { return values_.data() + first(group) * padded_k_; }

 private:
  int64_t k_ = 0, padded_k_ = 0;
  std::vector<float> values_;
};

// y [rows, y_stride] at columns [begin, end) = x W (or += it), accumulated in f32. REQUIRES: begin
// is a multiple of 16; x was resized to layout.k.
void MultiplyPackedRows(const PackedRows& x, const void* weights, const PackedLayout& layout,
                        int64_t begin, int64_t end, bool add, float* y, int64_t y_stride);

// What kernels of rows end with: the first `kept` columns of sums [rows, made] into
// y [rows, y_stride] (or += them).
inline void PutSums(const float* sums, int64_t rows, int64_t made, int64_t kept, bool add, float* y,
                    int64_t y_stride) {
  for (int64_t r = 0; r < rows; ++r, sums += made, y += y_stride) {
    if (add) {
      for (int64_t i = 0; i < kept; ++i) y[i] += sums[i];
    } else {
      std::copy_n(sums, kept, y);
    }
  }
}

}  // namespace kvlink::tensor
