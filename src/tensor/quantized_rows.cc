#include "tensor/quantized_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "tensor/kernels.h"

// Highway compiles this file once for each instruction set and picks one at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/quantized_rows.cc"
// The order matters.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace kvlink::tensor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, 16>;  // a tile has 16 rows of the matrix
using DI = hn::RebindToSigned<DF>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;

// 32 numbers: codes[i] * *scale, and the sums of both halves.
void QuantizeGroup(const float* x, int16_t* codes, float* scale, float* sums) {
  const DF d;
  const hn::Rebind<int16_t, DF> d16;
  const int64_t lanes = hn::Lanes(d);
  VF largest = hn::Zero(d);
  for (int64_t half = 0; half < 2; ++half) {
    VF sum = hn::Zero(d);
    for (int64_t i = 16 * half; i < 16 * half + 16; i += lanes) {
      const VF v = hn::LoadU(d, x + i);
      largest = hn::Max(largest, hn::Abs(v));
      sum = hn::Add(sum, v);
    }
    sums[half] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
  if (!std::isfinite(sums[0] + sums[1])) {  // what is not a number must not become one
    std::fill_n(codes, 32, int16_t{0});
    *scale = std::numeric_limits<float>::quiet_NaN();
    return;
  }
  constexpr float kLargestCode = 32767, kTooSmall = 1e-30f;  // whose inverse might not be finite
  const float most = hn::GetLane(hn::MaxOfLanes(d, largest));
  *scale = most > kTooSmall ? most / kLargestCode : 0;
  const VF inverse = hn::Set(d, most > kTooSmall ? kLargestCode / most : 0);
  for (int64_t i = 0; i < 32; i += lanes) {
    const VI code = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), inverse));
    hn::StoreU(hn::DemoteTo(d16, code), d16, codes + i);
  }
}

void QuantizeGroups(const float* x, int64_t groups, int16_t* codes, float* scales, float* sums) {
  for (int64_t g = 0; g < groups; ++g) {
    QuantizeGroup(x + 32 * g, codes + 32 * g, scales + g, sums + 2 * g);
  }
}

#if HWY_TARGET == HWY_SCALAR

// For CPUs without vectors, a number at a time. (One lane of 32 bits cannot be two of 16.)
void MultiplyTilesImpl(const QuantizedRows& x, const std::byte* matrix, int64_t tiles,
                       const TileLayout& layout, int64_t begin, int64_t end, bool add, float* y,
                       int64_t y_stride) {
  const int64_t groups = 32 / layout.group;
  for (int64_t n = begin; n < end; ++n) {
    for (int64_t group = 0; group < x.groups(); ++group) {
      for (int64_t r = 0; r < x.rows(group); ++r) {
        const int64_t rows = x.rows(group);
        const int16_t* codes = x.codes(group) + 2 * r;
        float total = 0;
        for (int64_t t = 0; t < tiles; ++t) {
          const std::byte* tile = matrix + (n / 16 * tiles + t) * layout.bytes();
          const auto* words = reinterpret_cast<const uint32_t*>(tile) + n % 16;
          const auto* scales = reinterpret_cast<const float*>(tile + layout.code_bytes()) + n % 16;
          for (int64_t g = 0; g < groups; ++g) {
            int32_t sum = 0;
            for (int64_t i = g * layout.group; i < (g + 1) * layout.group; ++i) {
              const int64_t pair = i / 2;
              const int32_t code =
                  layout.nibbles
                      ? static_cast<int32_t>(
                            words[16 * (pair / 4)] >> (4 * (pair % 4) + 16 * (i % 2)) & 15)
                      : static_cast<int8_t>(words[16 * (pair / 2)] >>
                                            (8 * (pair % 2) + 16 * (i % 2)));
              sum += code * codes[(16 * t + pair) * rows * 2 + i % 2];
            }
            total += static_cast<float>(sum) * x.scales(group)[t * rows + r] * scales[16 * g];
            if (!layout.has_offsets) continue;
            total += (groups == 2 ? x.sums(group)[(2 * t + g) * rows + r]
                                  : x.pair_sums(group)[t * rows + r]) *
                     scales[16 * (groups + g)];
          }
        }
        float& out = y[(x.first(group) + r) * y_stride + n];
        out = add ? out + total : total;
      }
    }
  }
}

#else

// Words of a tile as pairs of neighbours in 16-bit numbers (TileLayout).
template <bool kNibbles, int kPair, class V32>
HWY_INLINE auto PairOf(V32 word) {
  const hn::Repartition<int16_t, DI> d16;
  if constexpr (kNibbles) {
    const auto mask = hn::Set(hn::RebindToUnsigned<DF>(), 0x000f000fu);
    return hn::BitCast(d16, hn::And(hn::ShiftRight<4 * kPair>(word), mask));
  } else if constexpr (kPair == 0) {
    return hn::ShiftRight<8>(hn::ShiftLeft<8>(hn::BitCast(d16, word)));
  } else {
    return hn::ShiftRight<8>(hn::BitCast(d16, word));
  }
}

// A group of QuantizedRows.
struct RowGroup {
  const int16_t* codes;
  const float *scales, *sums, *pair_sums;
};

// Products of pairs of 16-bit numbers, added up in 32 bits: sum + codes * (the pair at `of_x`).
// With VNNI one instruction instead of three, and the same integers. Highway 1.0 has no name for
// it.
template <bool kVnni, class V16>
HWY_INLINE VI AddProducts(VI sum, V16 codes, const int16_t* of_x) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  if constexpr (kVnni) {
    asm("vpdpwssd %2%{1to16%}, %1, %0"
        : "+v"(sum.raw)
        : "v"(codes.raw), "m"(*reinterpret_cast<const int16_t(*)[2]>(of_x)));
    return sum;
  }
#endif
  const DI di;
  int32_t two;
  std::memcpy(&two, of_x, sizeof two);
  VI unused = hn::Zero(di);
  return hn::ReorderWidenMulAccumulate(
      di, codes, hn::BitCast(hn::Repartition<int16_t, DI>(), hn::Set(di, two)), sum, unused);
}

// kVectors vectors of the matrix's rows, whose first tiles `places` are: all of K passes by while
// their sums stay in registers. Products of 16 bits and 8 add up in 32.
template <bool kVnni, int kRows, int kVectors, bool kNibbles, int kGroups>
HWY_INLINE void MultiplyVectors(const RowGroup& x, int64_t tiles, const TileLayout& layout,
                                const std::byte* const* places, float* sums) {
  const DF d;
  const DI di;
  const hn::RebindToUnsigned<DF> du;
  const hn::Repartition<int16_t, DI> d16;
  constexpr int kWords = (kNibbles ? 4 : 8) / kGroups;  // of one group
  constexpr int kPairs = kNibbles ? 4 : 2;              // of one word
  const int64_t tile_bytes = layout.bytes(), code_bytes = layout.code_bytes();
  VF total[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) total[r][v] = hn::Zero(d);
  }
  for (int64_t t = 0; t < tiles; ++t) {
    for (int g = 0; g < kGroups; ++g) {
      VI sum[kRows][kVectors];
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(di);
      }
      for (int w = g * kWords; w < (g + 1) * kWords; ++w) {
        hn::Vec<decltype(du)> words[kVectors];
        for (int v = 0; v < kVectors; ++v) {
          words[v] =
              hn::LoadU(du, reinterpret_cast<const uint32_t*>(places[v] + t * tile_bytes) + 16 * w);
        }
        const auto add_pair = [&](auto pair) HWY_ATTR {
          constexpr int kPair = decltype(pair)::value;
          hn::Vec<decltype(d16)> codes[kVectors];
          for (int v = 0; v < kVectors; ++v) codes[v] = PairOf<kNibbles, kPair>(words[v]);
          for (int r = 0; r < kRows; ++r) {
            const int16_t* of_x = x.codes + 2 * ((16 * t + kPairs * w + kPair) * kRows + r);
            for (int v = 0; v < kVectors; ++v) {
              sum[r][v] = AddProducts<kVnni>(sum[r][v], codes[v], of_x);
            }
          }
        };
        add_pair(std::integral_constant<int, 0>());
        add_pair(std::integral_constant<int, 1>());
        if constexpr (kNibbles) {
          add_pair(std::integral_constant<int, 2>());
          add_pair(std::integral_constant<int, 3>());
        }
      }
      for (int v = 0; v < kVectors; ++v) {
        const float* scales =
            reinterpret_cast<const float*>(places[v] + t * tile_bytes + code_bytes) + 16 * g;
        const VF scale = hn::LoadU(d, scales);
        for (int r = 0; r < kRows; ++r) {
          const VF scaled =
              hn::Mul(hn::ConvertTo(d, sum[r][v]), hn::Set(d, x.scales[t * kRows + r]));
          total[r][v] = hn::MulAdd(scaled, scale, total[r][v]);
        }
        if (!layout.has_offsets) continue;
        const VF offset = hn::LoadU(d, scales + 16 * kGroups);
        for (int r = 0; r < kRows; ++r) {
          const float of_group =
              kGroups == 2 ? x.sums[(2 * t + g) * kRows + r] : x.pair_sums[t * kRows + r];
          total[r][v] = hn::MulAdd(offset, hn::Set(d, of_group), total[r][v]);
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(total[r][v], d, sums + (r * kVectors + v) * hn::Lanes(d));
    }
  }
}

template <bool kVnni, int kRows, bool kNibbles, int kGroups>
void MultiplyGroup(const RowGroup& x, const std::byte* matrix, int64_t tiles,
                   const TileLayout& layout, int64_t begin, int64_t end, bool add, float* y,
                   int64_t y_stride) {
  // Vectors whose sums fit the registers: 32 of AVX-512, 16 of others.
  constexpr int kSums = hn::MaxLanes(DF()) == 16 ? 8 : 4;
  constexpr int kMost = kRows >= kSums ? 1 : kSums / kRows > 4 ? 4 : kSums / kRows;
  const int64_t lanes = hn::Lanes(DF());
  float sums[kRows * kMost * hn::MaxLanes(DF())];
  const std::byte* places[kMost];
  for (int64_t n = begin; n < end;) {
    const bool wide = end - n > (kMost - 1) * lanes;
    const int64_t vectors = wide ? kMost : 1;
    for (int64_t v = 0; v < vectors; ++v) {
      const int64_t row = n + v * lanes;
      places[v] = matrix + row / 16 * tiles * layout.bytes() + row % 16 * 4;
    }
    if (wide) {
      MultiplyVectors<kVnni, kRows, kMost, kNibbles, kGroups>(x, tiles, layout, places, sums);
    } else {
      MultiplyVectors<kVnni, kRows, 1, kNibbles, kGroups>(x, tiles, layout, places, sums);
    }
    // Rows of the last tiles behind N are multiplied (their scales are zero) and not written.
    const int64_t made = vectors * lanes, kept = std::min(made, end - n);
    PutSums(sums, kRows, made, kept, add, y + n, y_stride);
    n += made;
  }
}

template <bool kVnni, int kRows, class... Args>
void MultiplyLayout(const TileLayout& layout, const Args&... args) {
  if (layout.nibbles && layout.group == 32) return MultiplyGroup<kVnni, kRows, true, 1>(args...);
  if (layout.nibbles) return MultiplyGroup<kVnni, kRows, true, 2>(args...);
  if (layout.group == 32) return MultiplyGroup<kVnni, kRows, false, 1>(args...);
  MultiplyGroup<kVnni, kRows, false, 2>(args...);
}

template <bool kVnni>
void MultiplyAll(const QuantizedRows& x, const std::byte* matrix, int64_t tiles,
                 const TileLayout& layout, int64_t begin, int64_t end, bool add, float* y,
                 int64_t y_stride) {
  // Each stretch of the matrix meets all rows while it is in the second-level cache.
  constexpr int64_t kStretch = 64;
  for (int64_t n = begin; n < end; n += kStretch) {
    for (int64_t g = 0; g < x.groups(); ++g) {
      const auto multiply = [&](auto rows) {
        MultiplyLayout<kVnni, decltype(rows)::value>(
            layout, RowGroup{x.codes(g), x.scales(g), x.sums(g), x.pair_sums(g)}, matrix, tiles,
            layout, n, std::min(end, n + kStretch), add, y + x.first(g) * y_stride, y_stride);
      };
      if (x.rows(g) == 8) {
        multiply(std::integral_constant<int, 8>());
      } else if (x.rows(g) == 4) {
        multiply(std::integral_constant<int, 4>());
      } else if (x.rows(g) == 2) {
        multiply(std::integral_constant<int, 2>());
      } else {
        multiply(std::integral_constant<int, 1>());
      }
    }
  }
}

void MultiplyTilesImpl(const QuantizedRows& x, const std::byte* matrix, int64_t tiles,
                       const TileLayout& layout, int64_t begin, int64_t end, bool add, float* y,
                       int64_t y_stride) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  static const bool has_vnni = __builtin_cpu_supports("avx512vnni") != 0;
  if (has_vnni) {
    return MultiplyAll<true>(x, matrix, tiles, layout, begin, end, add, y, y_stride);
  }
#endif
  MultiplyAll<false>(x, matrix, tiles, layout, begin, end, add, y, y_stride);
}

#endif  // HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace kvlink::tensor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvlink::tensor {

HWY_EXPORT(QuantizeGroups);
HWY_EXPORT(MultiplyTilesImpl);

void QuantizedRows::Resize(int64_t rows, int64_t k) {
  Divide(rows);
  k_ = k;
  codes_.resize(rows * k);
  scales_.resize(rows * k / 32);
  sums_.resize(rows * k / 16);
  pair_sums_.resize(rows * k / 32);
}

void QuantizedRows::Set(int64_t stretch, const void* x, DType dtype) {
  const int64_t begin = stretch * kRowStretch, count = std::min(kRowStretch, k_ - begin);
  float some[kRowStretch], some_scales[kRowStretch / 32], some_sums[kRowStretch / 16];
  int16_t some_codes[kRowStretch];
  for (int64_t group = 0; group < groups(); ++group) {
    const int64_t size = rows(group), place = first(group) * k_ + begin * size;
    for (int64_t r = 0; r < size; ++r) {
      ConvertFrom(
          static_cast<const std::byte*>(x) + ((first(group) + r) * k_ + begin) * SizeOf(dtype),
          count, dtype, some);
      HWY_DYNAMIC_DISPATCH(QuantizeGroups)(some, count / 32, some_codes, some_scales, some_sums);
      int16_t* codes = codes_.data() + place + 2 * r;
      for (int64_t i = 0; i < count; i += 2) std::memcpy(codes + i * size, some_codes + i, 4);
      for (int64_t i = 0; i < count / 32; ++i) {
        scales_[place / 32 + i * size + r] = some_scales[i];
        pair_sums_[place / 32 + i * size + r] = some_sums[2 * i] + some_sums[2 * i + 1];
      }
      for (int64_t i = 0; i < count / 16; ++i) sums_[place / 16 + i * size + r] = some_sums[i];
    }
  }
}

void MultiplyTiles(const QuantizedRows& x, const std::byte* matrix, int64_t tiles_of_row,
                   const TileLayout& layout, int64_t begin, int64_t end, bool add, float* y,
                   int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyTilesImpl)
  (x, matrix, tiles_of_row, layout, begin, end, add, y, y_stride);
}

}  // namespace kvlink::tensor
#endif  // HWY_ONCE
