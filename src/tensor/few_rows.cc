#include "tensor/few_rows.h"

#include <algorithm>

// Highway compiles this file once for each instruction set and picks one at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/few_rows.cc"
// The order matters.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace kvlink {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, 16>;  // a block's columns are a multiple of 16
using VF = hn::Vec<DF>;

// One block's columns from `pair` on, kVectors vectors of them: all of K passes by while their sums
// stay in registers. A lane holds two neighbours of K, so a shift and a mask make each an f32.
template <int kRows, int kVectors>
HWY_INLINE void MultiplyColumns(const float* x, const bf16_t* pair, PairedLayout layout,
                                float* sums) {
  const DF d;
  const hn::RebindToUnsigned<DF> d32;
  const int64_t lanes = hn::Lanes(d);
  const auto high = hn::Set(d32, 0xffff0000u);
  VF even[kRows][kVectors], odd[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) even[r][v] = odd[r][v] = hn::Zero(d);
  }
  for (int64_t p = 0; p < layout.pairs; ++p, pair += 2 * layout.columns) {
    for (int v = 0; v < kVectors; ++v) {
      const auto both = hn::LoadU(d32, reinterpret_cast<const uint32_t*>(pair) + v * lanes);
      const VF w0 = hn::BitCast(d, hn::ShiftLeft<16>(both));
      const VF w1 = hn::BitCast(d, hn::And(both, high));
      for (int r = 0; r < kRows; ++r) {
        const float* row = x + 2 * (r * layout.pairs + p);
        even[r][v] = hn::MulAdd(hn::Set(d, row[0]), w0, even[r][v]);
        odd[r][v] = hn::MulAdd(hn::Set(d, row[1]), w1, odd[r][v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(hn::Add(even[r][v], odd[r][v]), d, sums + (r * kVectors + v) * lanes);
    }
  }
}

template <int kRows>
void MultiplyRows(const float* x, const bf16_t* weights, PairedLayout layout, int64_t begin,
                  int64_t end, bool add, float* y, int64_t y_stride) {
  constexpr int kMost = kRows == 1 ? 4 : 2;  // vectors whose sums fit the registers
  const int64_t lanes = hn::Lanes(DF());
  float sums[kRows * kMost * hn::MaxLanes(DF())];
  for (int64_t n = begin; n < end;) {
    const int64_t block = n / layout.columns, column = n % layout.columns;
    const bf16_t* pair = weights + 2 * (block * layout.pairs * layout.columns + column);
    // Columns of the last block behind N are multiplied (they are zeros) and not written.
    const bool wide = std::min(end - n, layout.columns - column) >= kMost * lanes;
    if (wide) {
      MultiplyColumns<kRows, kMost>(x, pair, layout, sums);
    } else {
      MultiplyColumns<kRows, 1>(x, pair, layout, sums);
    }
    const int64_t made = wide ? kMost * lanes : lanes, kept = std::min(made, end - n);
    PutSums(sums, kRows, made, kept, add, y + n, y_stride);
    n += made;
  }
}

void MultiplyFewRowsImpl(const float* x, int64_t rows, const bf16_t* weights, PairedLayout layout,
                         int64_t begin, int64_t end, bool add, float* y, int64_t y_stride) {
  if (rows == 1) return MultiplyRows<1>(x, weights, layout, begin, end, add, y, y_stride);
  if (rows == 2) return MultiplyRows<2>(x, weights, layout, begin, end, add, y, y_stride);
  if (rows == 3) return MultiplyRows<3>(x, weights, layout, begin, end, add, y, y_stride);
  MultiplyRows<4>(x, weights, layout, begin, end, add, y, y_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvlink
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvlink {

HWY_EXPORT(MultiplyFewRowsImpl);

void MultiplyFewRows(const float* x, int64_t rows, const bf16_t* weights, PairedLayout layout,
                     int64_t begin, int64_t end, bool add, float* y, int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyFewRowsImpl)(x, rows, weights, layout, begin, end, add, y, y_stride);
}

}  // namespace kvlink
#endif  // HWY_ONCE
