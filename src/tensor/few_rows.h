// A few rows times a packed bf16 matrix: decoding reads every weight for one row or four, so the
// memory's bandwidth is the limit, and oneDNN's matmul, made for many rows, reaches half of it.
// Private to src/tensor. Pure; thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/dtype.h"

namespace kvlink {

constexpr int64_t kMostFewRows = 4;

// oneDNN's layout BA16a64b2a and its like, [N / columns][K / 2][columns][2]: blocks of columns, in
// a block pairs of K after pairs of K, in a pair the block's columns. Both ends padded with zeros.
struct PairedLayout {
  int64_t pairs = 0;    // K / 2, padded
  int64_t columns = 0;  // of N in a block: a multiple of 16, or 0 if a matrix lies otherwise
};

// y [rows, y_stride] at columns [begin, end) = x [rows, 2 * pairs] * W (or += it), accumulated in
// f32. REQUIRES: 1 <= rows <= kMostFewRows, begin is a multiple of 16, x is zero behind K.
void MultiplyFewRows(const float* x, int64_t rows, const bf16_t* weights, PairedLayout layout,
                     int64_t begin, int64_t end, bool add, float* y, int64_t y_stride);

// What kernels of few rows end with: the first `kept` columns of sums [rows, made] into
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

}  // namespace kvlink
