#include "tensor/quantized_matrix.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <type_traits>

#include "base/bytes.h"

// Highway compiles this file once for each instruction set and picks one at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/quantized_matrix.cc"
// The order matters.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace kvlink {
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

#if HWY_TARGET == HWY_SCALAR

// For CPUs without vectors, a number at a time. (One lane of 32 bits cannot be two of 16.)
void MultiplyTiles(const QuantizedRows* x, const std::byte* matrix, int64_t tiles,
                   QuantizedMatrix::Layout layout, int64_t begin, int64_t end, bool add, float* y,
                   int64_t y_stride) {
  const int64_t groups = 32 / layout.group;
  for (int64_t n = begin; n < end; ++n) {
    for (int64_t r = 0; r < x->rows(); ++r) {
      float total = 0;
      for (int64_t t = 0; t < tiles; ++t) {
        const std::byte* tile = matrix + (n / 16 * tiles + t) * layout.tile_bytes();
        const auto* words = reinterpret_cast<const uint32_t*>(tile) + n % 16;
        const auto* scales = reinterpret_cast<const float*>(tile + layout.code_bytes()) + n % 16;
        for (int64_t g = 0; g < groups; ++g) {
          int32_t sum = 0;
          for (int64_t i = g * layout.group; i < (g + 1) * layout.group; ++i) {
            const int64_t pair = i / 2;
            const int32_t code =
                layout.nibbles ? static_cast<int32_t>(
                                     words[16 * (pair / 4)] >> (4 * (pair % 4) + 16 * (i % 2)) & 15)
                               : static_cast<int8_t>(words[16 * (pair / 2)] >>
                                                     (8 * (pair % 2) + 16 * (i % 2)));
            sum += code * x->codes(r)[32 * t + i];
          }
          total += static_cast<float>(sum) * x->scales(r)[t] * scales[16 * g];
          if (!layout.has_offsets) continue;
          const float* halves = x->sums(r) + 2 * t;
          total += (groups == 2 ? halves[g] : halves[0] + halves[1]) * scales[16 * (groups + g)];
        }
      }
      float& out = y[r * y_stride + n];
      out = add ? out + total : total;
    }
  }
}

#else

// Words of a tile as pairs of neighbours in 16-bit numbers (QuantizedMatrix::Layout).
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

// kVectors vectors of the matrix's rows, whose first tiles `places` are: all of K passes by while
// their sums stay in registers. Products of 16 bits and 8 add up in 32.
template <int kRows, int kVectors, bool kNibbles, int kGroups>
HWY_INLINE void MultiplyVectors(const QuantizedRows& x, int64_t tiles,
                                const QuantizedMatrix::Layout& layout,
                                const std::byte* const* places, float* sums) {
  const DF d;
  const DI di;
  const hn::RebindToUnsigned<DF> du;
  const hn::Repartition<int16_t, DI> d16;
  constexpr int kWords = (kNibbles ? 4 : 8) / kGroups;  // of one group
  constexpr int kPairs = kNibbles ? 4 : 2;              // of one word
  const int64_t tile_bytes = layout.tile_bytes(), code_bytes = layout.code_bytes();
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
            int32_t two;
            std::memcpy(&two, x.codes(r) + 32 * t + 2 * (kPairs * w + kPair), sizeof two);
            const auto of_x = hn::BitCast(d16, hn::Set(di, two));
            for (int v = 0; v < kVectors; ++v) {
              VI unused = hn::Zero(di);
              sum[r][v] = hn::ReorderWidenMulAccumulate(di, codes[v], of_x, sum[r][v], unused);
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
          const VF scaled = hn::Mul(hn::ConvertTo(d, sum[r][v]), hn::Set(d, x.scales(r)[t]));
          total[r][v] = hn::MulAdd(scaled, scale, total[r][v]);
        }
        if (!layout.has_offsets) continue;
        const VF offset = hn::LoadU(d, scales + 16 * kGroups);
        for (int r = 0; r < kRows; ++r) {
          const float* halves = x.sums(r) + 2 * t;
          const float of_group = kGroups == 2 ? halves[g] : halves[0] + halves[1];
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

template <int kRows, bool kNibbles, int kGroups>
void MultiplyRows(const QuantizedRows& x, const std::byte* matrix, int64_t tiles,
                  const QuantizedMatrix::Layout& layout, int64_t begin, int64_t end, bool add,
                  float* y, int64_t y_stride) {
  constexpr int kMost = kRows == 1 ? 4 : kRows == 2 ? 2 : 1;  // vectors whose sums fit registers
  const int64_t lanes = hn::Lanes(DF());
  float sums[kRows * kMost * hn::MaxLanes(DF())];
  const std::byte* places[kMost];
  for (int64_t n = begin; n < end;) {
    const bool wide = end - n > (kMost - 1) * lanes;
    const int64_t vectors = wide ? kMost : 1;
    for (int64_t v = 0; v < vectors; ++v) {
      const int64_t row = n + v * lanes;
      places[v] = matrix + row / 16 * tiles * layout.tile_bytes() + row % 16 * 4;
    }
    if (wide) {
      MultiplyVectors<kRows, kMost, kNibbles, kGroups>(x, tiles, layout, places, sums);
    } else {
      MultiplyVectors<kRows, 1, kNibbles, kGroups>(x, tiles, layout, places, sums);
    }
    // Rows of the last tiles behind N are multiplied (their scales are zero) and not written.
    const int64_t made = vectors * lanes, kept = std::min(made, end - n);
    for (int64_t r = 0; r < kRows; ++r) {
      float* out = y + r * y_stride + n;
      if (add) {
        for (int64_t i = 0; i < kept; ++i) out[i] += sums[r * made + i];
      } else {
        std::copy_n(sums + r * made, kept, out);
      }
    }
    n += made;
  }
}

template <int kRows, class... Args>
void MultiplyAs(const QuantizedMatrix::Layout& layout, Args... args) {
  if (layout.nibbles) {
    return layout.group == 32 ? MultiplyRows<kRows, true, 1>(args...)
                              : MultiplyRows<kRows, true, 2>(args...);
  }
  return layout.group == 32 ? MultiplyRows<kRows, false, 1>(args...)
                            : MultiplyRows<kRows, false, 2>(args...);
}

void MultiplyTiles(const QuantizedRows* x, const std::byte* matrix, int64_t tiles,
                   QuantizedMatrix::Layout layout, int64_t begin, int64_t end, bool add, float* y,
                   int64_t y_stride) {
  const auto multiply = [&](auto rows) {
    MultiplyAs<decltype(rows)::value, const QuantizedRows&, const std::byte*, int64_t,
               const QuantizedMatrix::Layout&, int64_t, int64_t, bool, float*, int64_t>(
        layout, *x, matrix, tiles, layout, begin, end, add, y, y_stride);
  };
  switch (x->rows()) {
    case 1:
      return multiply(std::integral_constant<int, 1>());
    case 2:
      return multiply(std::integral_constant<int, 2>());
    case 3:
      return multiply(std::integral_constant<int, 3>());
    default:
      return multiply(std::integral_constant<int, 4>());
  }
}

#endif  // HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace kvlink
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvlink {

HWY_EXPORT(QuantizeGroup);
HWY_EXPORT(MultiplyTiles);

namespace {

constexpr int64_t kTileRows = 16, kTileColumns = 32;

// Bytes 0, 2, 4, 6 of `b`, four bits of each.
uint32_t EvenNibbles(uint64_t b) {
  b &= 0x000f000f000f000full;
  b |= b >> 12;
  return static_cast<uint32_t>((b & 0xff) | ((b >> 24) & 0xff00));
}

// Eight codes of 0 to 15: neighbours 0 and 1 at bits 0 and 16, 2 and 3 at bits 4 and 20, ...
uint32_t PackNibbles(const int8_t* codes) {
  uint64_t b;
  std::memcpy(&b, codes, sizeof b);
  return EvenNibbles(b) | EvenNibbles(b >> 8) << 16;
}

// Four codes: neighbours 0 and 1 in bytes 0 and 2, 2 and 3 in bytes 1 and 3.
uint32_t PackBytes(const int8_t* codes) {
  const auto byte = [&](int i) { return static_cast<uint32_t>(static_cast<uint8_t>(codes[i])); };
  return byte(0) | byte(2) << 8 | byte(1) << 16 | byte(3) << 24;
}

// Sixteen rows of a matrix, unpacked. Zeros behind N.
struct Rows {
  std::vector<int8_t> codes;           // [16, k]
  std::vector<float> scales, offsets;  // [16, k / group]

  Rows(int64_t k, int64_t group)
      : codes(kTileRows * k), scales(kTileRows * k / group), offsets(kTileRows * k / group) {}
};

void WriteTiles(const Rows& rows, int64_t k, const QuantizedMatrix::Layout& layout,
                std::byte* tile) {
  const int64_t words = layout.nibbles ? 4 : 8, codes_of_word = kTileColumns / words;
  const int64_t groups = kTileColumns / layout.group, groups_of_row = k / layout.group;
  for (int64_t t = 0; t < k / kTileColumns; ++t, tile += layout.tile_bytes()) {
    auto* word = reinterpret_cast<uint32_t*>(tile);
    for (int64_t w = 0; w < words; ++w) {
      for (int64_t r = 0; r < kTileRows; ++r) {
        const int8_t* codes = rows.codes.data() + r * k + t * kTileColumns + w * codes_of_word;
        *word++ = layout.nibbles ? PackNibbles(codes) : PackBytes(codes);
      }
    }
    auto* number = reinterpret_cast<float*>(tile + layout.code_bytes());
    const auto write = [&](const std::vector<float>& of_groups) {
      for (int64_t g = 0; g < groups; ++g) {
        for (int64_t r = 0; r < kTileRows; ++r) {
          *number++ = of_groups[r * groups_of_row + t * groups + g];
        }
      }
    };
    write(rows.scales);
    if (layout.has_offsets) write(rows.offsets);
  }
}

}  // namespace

void QuantizedRows::Assign(const float* x, int64_t rows, int64_t k) {
  rows_ = rows;
  k_ = k;
  codes_.resize(rows * k);
  scales_.resize(rows * k / 32);
  sums_.resize(rows * k / 16);
  for (int64_t i = 0; i < rows * k / 32; ++i) {
    HWY_DYNAMIC_DISPATCH(QuantizeGroup)
    (x + 32 * i, codes_.data() + 32 * i, scales_.data() + i, sums_.data() + 2 * i);
  }
}

bool QuantizedMatrix::CanHold(GgmlType type, int64_t k) {
  return CodesOf(type) != nullptr && k % kTileColumns == 0;
}

Result<QuantizedMatrix> QuantizedMatrix::Create(GgmlType type, const std::byte* source, int64_t n,
                                                int64_t k, WeightMemory* where) {
  const CodeTraits& codes = *CodesOf(type);
  const GgmlTypeTraits& traits = *TraitsOf(static_cast<uint32_t>(type));
  const int64_t row_bytes = k / traits.block_elements * traits.block_bytes;
  // Nibbles have no sign: codes count from 0, and the offset makes up for it.
  const bool nibbles = codes.highest - codes.lowest <= 15;
  const int lowest = nibbles ? codes.lowest : 0;
  const Layout layout{nibbles, codes.group, codes.has_offsets || lowest != 0};
  const int64_t blocks = (n + kTileRows - 1) / kTileRows;
  const int64_t block_bytes = k / kTileColumns * layout.tile_bytes();
  auto* tiles = static_cast<std::byte*>(where->Take(blocks * block_bytes));
  std::vector<Rows> of_threads;  // an exception may not leave a parallel region
  try {
    of_threads.assign(static_cast<size_t>(omp_get_max_threads()), Rows(k, codes.group));
  } catch (const std::bad_alloc&) {
    tiles = nullptr;
  }
  if (tiles == nullptr) {
    return ResourceExhausted("memory for the codes of a matrix of " + std::to_string(n) + " x " +
                             std::to_string(k) + " could not be had; close other programs");
  }
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks; ++block) {
    Rows& rows = of_threads[static_cast<size_t>(omp_get_thread_num())];
    for (int64_t r = 0; r < kTileRows; ++r) {
      const int64_t row = block * kTileRows + r, groups = k / codes.group;
      int8_t* row_codes = rows.codes.data() + r * k;
      float* scales = rows.scales.data() + r * groups;
      float* offsets = rows.offsets.data() + r * groups;
      if (row >= n) {
        std::fill_n(row_codes, k, int8_t{0});
        std::fill_n(scales, groups, 0.0f);
        std::fill_n(offsets, groups, 0.0f);
        continue;
      }
      Unpack(type, source + row * row_bytes, k, row_codes, scales, offsets);
      if (lowest == 0) continue;
      for (int64_t i = 0; i < k; ++i) row_codes[i] = static_cast<int8_t>(row_codes[i] - lowest);
      for (int64_t g = 0; g < groups; ++g) offsets[g] += scales[g] * static_cast<float>(lowest);
    }
    WriteTiles(rows, k, layout, tiles + block * block_bytes);
  }
  return QuantizedMatrix(n, k, layout, tiles);
}

void QuantizedMatrix::Multiply(const QuantizedRows& x, int64_t begin, int64_t end, bool add,
                               float* y, int64_t y_stride) const {
  HWY_DYNAMIC_DISPATCH(MultiplyTiles)
  (&x, tiles_, k_ / kTileColumns, layout_, begin, end, add, y, y_stride);
}

int64_t QuantizedMatrix::bytes() const {
  return RoundUp(n_, kTileRows) / kTileRows * (k_ / kTileColumns) * layout_.tile_bytes();
}

}  // namespace kvlink
#endif  // HWY_ONCE
