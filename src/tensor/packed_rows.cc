#include "tensor/packed_rows.h"

#include <algorithm>

#include "tensor/kernels.h"

// Highway compiles this file once for each instruction set and picks one at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/packed_rows.cc"
// The order matters.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace kvlink::tensor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, 16>;  // a block's columns are a multiple of 16
using VF = hn::Vec<DF>;

// AVX-512 has 32 registers, others 16: what sums may take of them.
constexpr int kSums = hn::MaxLanes(DF()) == 16 ? 16 : 8;

enum class Kind { kF32, kBf16, kPairs };

// One block's columns from `w` on, kVectors vectors of them: all of K passes by while their sums
// stay in registers. A pair's lane holds two neighbours of K, so a shift and a mask make each an
// f32.
template <Kind kKind, int kRows, int kVectors>
HWY_INLINE void MultiplyColumns(const float* x, const void* weights, int64_t at, int64_t k,
                                int64_t columns, float* sums) {
  const DF d;
  const int64_t lanes = hn::Lanes(d);
  VF total[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) total[r][v] = hn::Zero(d);
  }
  if constexpr (kKind == Kind::kPairs) {
    const hn::RebindToUnsigned<DF> d32;
    const auto high = hn::Set(d32, 0xffff0000u);
    const auto* pair = static_cast<const uint32_t*>(weights) + at;
    VF odd[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) odd[r][v] = hn::Zero(d);
    }
    for (int64_t p = 0; p < k / 2; ++p, pair += columns, x += 2 * kRows) {
      for (int v = 0; v < kVectors; ++v) {
        const auto both = hn::LoadU(d32, pair + v * lanes);
        const VF w0 = hn::BitCast(d, hn::ShiftLeft<16>(both));
        const VF w1 = hn::BitCast(d, hn::And(both, high));
        for (int r = 0; r < kRows; ++r) {
          total[r][v] = hn::MulAdd(hn::Set(d, x[r]), w0, total[r][v]);
          odd[r][v] = hn::MulAdd(hn::Set(d, x[kRows + r]), w1, odd[r][v]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) total[r][v] = hn::Add(total[r][v], odd[r][v]);
    }
  } else {
    for (int64_t i = 0; i < k; ++i, at += columns, x += kRows) {
      for (int v = 0; v < kVectors; ++v) {
        VF w;
        if constexpr (kKind == Kind::kF32) {
          w = hn::LoadU(d, static_cast<const float*>(weights) + at + v * lanes);
        } else {
          const hn::Rebind<uint16_t, DF> d16;
          const hn::RebindToUnsigned<DF> d32;
          const auto* half = static_cast<const uint16_t*>(weights) + at + v * lanes;
          w = hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::LoadU(d16, half))));
        }
        for (int r = 0; r < kRows; ++r) {
          total[r][v] = hn::MulAdd(hn::Set(d, x[r]), w, total[r][v]);
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(total[r][v], d, sums + (r * kVectors + v) * lanes);
    }
  }
}

// One group of rows at columns [begin, end).
template <Kind kKind, int kRows>
void MultiplyGroup(const float* x, const void* weights, const PackedLayout& layout, int64_t begin,
                   int64_t end, bool add, float* y, int64_t y_stride) {
  constexpr int kOfARow = kSums / kRows / (kKind == Kind::kPairs ? 2 : 1);
  constexpr int kMost = kOfARow > 4 ? 4 : kOfARow < 1 ? 1 : kOfARow;
  const int64_t lanes = hn::Lanes(DF());
  float sums[kRows * kMost * hn::MaxLanes(DF())];
  for (int64_t n = begin; n < end;) {
    const int64_t block = n / layout.columns, column = n % layout.columns;
    const int64_t at = block * layout.k * layout.columns / (layout.paired ? 2 : 1) + column;
    // Columns of the last block behind N are multiplied and not written.
    const bool wide = std::min(end - n, layout.columns - column) >= kMost * lanes;
    if (wide) {
      MultiplyColumns<kKind, kRows, kMost>(x, weights, at, layout.k, layout.columns, sums);
    } else {
      MultiplyColumns<kKind, kRows, 1>(x, weights, at, layout.k, layout.columns, sums);
    }
    const int64_t made = wide ? kMost * lanes : lanes, kept = std::min(made, end - n);
    PutSums(sums, kRows, made, kept, add, y + n, y_stride);
    n += made;
  }
}

template <Kind kKind>
void MultiplyKind(const PackedRows& x, const void* weights, const PackedLayout& layout,
                  int64_t begin, int64_t end, bool add, float* y, int64_t y_stride) {
  // Each stretch of columns meets all rows while it is in the second-level cache.
  constexpr int64_t kStretch = 64;
  for (int64_t n = begin; n < end; n += kStretch) {
    for (int64_t g = 0; g < x.groups(); ++g) {
      const auto multiply = [&](auto kernel) {
        kernel(x.values(g), weights, layout, n, std::min(end, n + kStretch), add,
               y + x.first(g) * y_stride, y_stride);
      };
      if (x.rows(g) == 8) {
        multiply(MultiplyGroup<kKind, 8>);
      } else if (x.rows(g) == 4) {
        multiply(MultiplyGroup<kKind, 4>);
      } else if (x.rows(g) == 2) {
        multiply(MultiplyGroup<kKind, 2>);
      } else {
        multiply(MultiplyGroup<kKind, 1>);
      }
    }
  }
}

void MultiplyPackedRowsImpl(const PackedRows& x, const void* weights, const PackedLayout& layout,
                            int64_t begin, int64_t end, bool add, float* y, int64_t y_stride) {
  const auto multiply = layout.paired                  ? MultiplyKind<Kind::kPairs>
                        : layout.dtype == DType::kBF16 ? MultiplyKind<Kind::kBf16>
                                                       : MultiplyKind<Kind::kF32>;
  multiply(x, weights, layout, begin, end, add, y, y_stride);
}

int64_t MostRowsTogetherImpl() { return hn::MaxLanes(DF()) == 16 ? 8 : 4; }

}  // namespace HWY_NAMESPACE
}  // namespace kvlink::tensor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvlink::tensor {

HWY_EXPORT(MultiplyPackedRowsImpl);
HWY_EXPORT(MostRowsTogetherImpl);

void MultiplyPackedRows(const PackedRows& x, const void* weights, const PackedLayout& layout,
                        int64_t begin, int64_t end, bool add, float* y, int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyPackedRowsImpl)
  (x, weights, layout, begin, end, add, y, y_stride);
}

void RowGroups::Divide(int64_t rows) {
  first_.clear();
  sizes_.clear();
  int64_t size = HWY_DYNAMIC_DISPATCH(MostRowsTogetherImpl)();
  for (int64_t row = 0; row < rows; row += size) {
    while (size > rows - row) size /= 2;
    first_.push_back(row);
    sizes_.push_back(size);
  }
}

void PackedRows::Resize(int64_t rows, int64_t k, int64_t padded_k) {
  Divide(rows);
  k_ = k;
  padded_k_ = padded_k;
  values_.resize(static_cast<size_t>(rows * padded_k));
}

void PackedRows::Set(int64_t stretch, const void* x, DType dtype) {
  const int64_t begin = stretch * kRowStretch, end = std::min(begin + kRowStretch, padded_k_);
  const int64_t count = std::clamp<int64_t>(k_ - begin, 0, end - begin);
  float some[kRowStretch];
  std::fill(some + count, some + kRowStretch, 0.0f);
  for (int64_t group = 0; group < groups(); ++group) {
    const int64_t size = rows(group);
    float* out = values_.data() + first(group) * padded_k_ + begin * size;
    for (int64_t r = 0; r < size; ++r) {
      ConvertFrom(
          static_cast<const std::byte*>(x) + ((first(group) + r) * k_ + begin) * SizeOf(dtype),
          count, dtype, some);
      for (int64_t i = 0; i < end - begin; ++i) out[i * size + r] = some[i];
    }
  }
}

}  // namespace kvlink::tensor
#endif  // HWY_ONCE
