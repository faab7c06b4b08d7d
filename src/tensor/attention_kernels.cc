#include "tensor/attention_kernels.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

// Highway compiles this file once for each instruction set and picks one at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/attention_kernels.cc"
// The order matters.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace kvlink::tensor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, 16>;
using DU = hn::RebindToUnsigned<DF>;
using VF = hn::Vec<DF>;

HWY_INLINE VF LoadVector(DF d, const float* p) { return hn::LoadU(d, p); }
HWY_INLINE VF LoadVector(DF d, const bf16_t* p) {
  const hn::Rebind<uint16_t, DF> d16;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(DU(), hn::LoadU(d16, p))));
}
HWY_INLINE float LoadOne(const float* p) { return *p; }
HWY_INLINE float LoadOne(const bf16_t* p) { return FromBf16(*p); }

constexpr int kLanes = hn::MaxLanes(DF());
constexpr int kKeyVectors = 2;  // of keys at a time: enough sums for one row to hide their latency
constexpr int kKeys = kKeyVectors * kLanes;
constexpr int64_t kDims = 64;  // of the keys at a time

// Words [count] of `keys` keys, which lie stride bytes apart, [count, kKeys] in `out`. Columns
// behind `keys` repeat the last key.
void TransposeWords(const void* from, int64_t keys, int64_t stride, int64_t count, uint32_t* out) {
  const auto word = [&](int64_t key, int64_t i) {
    return reinterpret_cast<const uint32_t*>(static_cast<const std::byte*>(from) +
                                             std::min(key, keys - 1) * stride) +
           i;
  };
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const DU d;
  const hn::Repartition<uint64_t, DU> d64;
  const hn::FixedTag<uint32_t, 4> d4;
  HWY_ALIGN uint32_t four[4 * kLanes];
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t key = 0; key < kKeys; key += 4) {
      const auto a = hn::LoadU(d, word(key, i)), b = hn::LoadU(d, word(key + 1, i));
      const auto c = hn::LoadU(d, word(key + 2, i)), e = hn::LoadU(d, word(key + 3, i));
      // In each block of four words, one word of four keys.
      const auto ab = hn::BitCast(d64, hn::InterleaveLower(d, a, b));
      const auto ce = hn::BitCast(d64, hn::InterleaveLower(d, c, e));
      const auto ab2 = hn::BitCast(d64, hn::InterleaveUpper(d, a, b));
      const auto ce2 = hn::BitCast(d64, hn::InterleaveUpper(d, c, e));
      hn::Store(hn::BitCast(d, hn::InterleaveLower(d64, ab, ce)), d, four);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(d64, ab, ce)), d, four + kLanes);
      hn::Store(hn::BitCast(d, hn::InterleaveLower(d64, ab2, ce2)), d, four + 2 * kLanes);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(d64, ab2, ce2)), d, four + 3 * kLanes);
      for (int64_t w = 0; w < kLanes; ++w) {
        const auto one = hn::Load(d4, four + w % 4 * kLanes + w / 4 * 4);
        hn::StoreU(one, d4, out + (i + w) * kKeys + key);
      }
    }
  }
#endif
  for (; i < count; ++i) {
    for (int64_t key = 0; key < kKeys; ++key) std::memcpy(out + i * kKeys + key, word(key, i), 4);
  }
}

// Dimensions [count] of keys of d_ numbers, [count, kKeys] in `out`.
void Transpose(const float* from, int64_t keys, int64_t d_, int64_t count, float* out) {
  TransposeWords(from, keys, d_ * 4, count, reinterpret_cast<uint32_t*>(out));
}
void Transpose(const bf16_t* from, int64_t keys, int64_t d_, int64_t count, float* out) {
  const DF d;
  const auto high = hn::Set(DU(), 0xffff0000u);
  HWY_ALIGN uint32_t pairs[kDims / 2 * kKeys];
  TransposeWords(from, keys, d_ * 2, count / 2, pairs);
  for (int64_t i = 0; i < count / 2; ++i, out += 2 * kKeys) {
    for (int64_t j = 0; j < kKeys; j += kLanes) {
      const auto both = hn::Load(DU(), pairs + i * kKeys + j);
      hn::Store(hn::BitCast(d, hn::ShiftLeft<16>(both)), d, out + j);
      hn::Store(hn::BitCast(d, hn::And(both, high)), d, out + kKeys + j);
    }
  }
  for (int64_t j = 0; count % 2 != 0 && j < kKeys; ++j) {
    out[j] = LoadOne(from + std::min(j, keys - 1) * d_ + count - 1);
  }
}

// sums [kRows, kKeys] += queries [kRows, stride] (count used) * keys [count, kKeys].
template <int kRows>
void ScoreKeys(const float* queries, int64_t stride, const float* keys, int64_t count,
               float* sums) {
  const DF d;
  VF s[kRows][kKeyVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kKeyVectors; ++v) s[r][v] = hn::LoadU(d, sums + r * kKeys + v * kLanes);
  }
  for (int64_t i = 0; i < count; ++i, keys += kKeys) {
    VF k[kKeyVectors];
    for (int v = 0; v < kKeyVectors; ++v) k[v] = hn::LoadU(d, keys + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const VF q = hn::Set(d, queries[r * stride + i]);
      for (int v = 0; v < kKeyVectors; ++v) s[r][v] = hn::MulAdd(q, k[v], s[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kKeyVectors; ++v) hn::StoreU(s[r][v], d, sums + r * kKeys + v * kLanes);
  }
}

template <class T>
void ScoreRowsT(const float* queries, int64_t rows, const T* keys, int64_t n, int64_t d_,
                float* scores, int64_t stride) {
  constexpr int64_t kRowsAtOnce = 64;
  HWY_ALIGN float transposed[kDims * kKeys];
  HWY_ALIGN float sums[kRowsAtOnce * kKeys];
  for (int64_t first = 0; first < rows; first += kRowsAtOnce) {
    const int64_t some = std::min(kRowsAtOnce, rows - first);
    for (int64_t j = 0; j < n; j += kKeys) {
      const int64_t some_keys = std::min<int64_t>(kKeys, n - j);
      std::fill_n(sums, some * kKeys, 0.0f);
      for (int64_t i = 0; i < d_; i += kDims) {
        const int64_t count = std::min(kDims, d_ - i);
        Transpose(keys + j * d_ + i, some_keys, d_, count, transposed);
        const float* q = queries + first * d_ + i;
        int64_t r = 0;
        for (; r + 4 <= some; r += 4) {
          ScoreKeys<4>(q + r * d_, d_, transposed, count, sums + r * kKeys);
        }
        if (some - r == 3) ScoreKeys<3>(q + r * d_, d_, transposed, count, sums + r * kKeys);
        if (some - r == 2) ScoreKeys<2>(q + r * d_, d_, transposed, count, sums + r * kKeys);
        if (some - r == 1) ScoreKeys<1>(q + r * d_, d_, transposed, count, sums + r * kKeys);
      }
      for (int64_t r = 0; r < some; ++r) {
        std::copy_n(sums + r * kKeys, some_keys, scores + (first + r) * stride + j);
      }
    }
  }
}

// Columns [0, kVectors * lanes) of kRows rows: they stay in registers while the values pass by.
template <int kRows, int kVectors, class T>
void AccumulateColumns(const float* p, int64_t stride, const T* values, int64_t n, int64_t d_,
                       float* out) {
  const DF d;
  VF s[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) s[r][v] = hn::LoadU(d, out + r * d_ + v * kLanes);
  }
  for (int64_t j = 0; j < n; ++j, values += d_) {
    VF value[kVectors];
    for (int v = 0; v < kVectors; ++v) value[v] = LoadVector(d, values + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const VF w = hn::Set(d, p[r * stride + j]);
      for (int v = 0; v < kVectors; ++v) s[r][v] = hn::MulAdd(w, value[v], s[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) hn::StoreU(s[r][v], d, out + r * d_ + v * kLanes);
  }
}

template <int kRows, class T>
void AccumulateSome(const float* p, int64_t stride, const T* values, int64_t n, int64_t d_,
                    float* out) {
  // Sums for 16 registers, or for the 32 of AVX-512.
  constexpr int kMost = kLanes == 16 || kRows <= 2 ? 4 : 2;
  int64_t i = 0;
  for (; i + kMost * kLanes <= d_; i += kMost * kLanes) {
    AccumulateColumns<kRows, kMost>(p, stride, values + i, n, d_, out + i);
  }
  for (; i + kLanes <= d_; i += kLanes) {
    AccumulateColumns<kRows, 1>(p, stride, values + i, n, d_, out + i);
  }
  for (; i < d_; ++i) {
    for (int r = 0; r < kRows; ++r) {
      for (int64_t j = 0; j < n; ++j) {
        out[r * d_ + i] += p[r * stride + j] * LoadOne(values + j * d_ + i);
      }
    }
  }
}

template <class T>
void AccumulateRowsT(const float* p, int64_t stride, int64_t rows, const T* values, int64_t n,
                     int64_t d, float* out) {
  int64_t r = 0;
  const auto accumulate = [&](auto kernel, int64_t some) {
    kernel(p + r * stride, stride, values, n, d, out + r * d);
    r += some;
  };
  while (r + 4 <= rows) accumulate(AccumulateSome<4, T>, 4);
  if (rows - r == 3) return accumulate(AccumulateSome<3, T>, 3);
  if (rows - r == 2) return accumulate(AccumulateSome<2, T>, 2);
  if (rows - r == 1) accumulate(AccumulateSome<1, T>, 1);
}

void ScoreRowsImpl(const float* queries, int64_t rows, const void* keys, int64_t n, int64_t d,
                   DType dtype, float* scores, int64_t stride) {
  if (dtype == DType::kF32) {
    return ScoreRowsT(queries, rows, static_cast<const float*>(keys), n, d, scores, stride);
  }
  ScoreRowsT(queries, rows, static_cast<const bf16_t*>(keys), n, d, scores, stride);
}

void AccumulateRowsImpl(const float* p, int64_t stride, int64_t rows, const void* values, int64_t n,
                        int64_t d, DType dtype, float* out) {
  if (dtype == DType::kF32) {
    return AccumulateRowsT(p, stride, rows, static_cast<const float*>(values), n, d, out);
  }
  AccumulateRowsT(p, stride, rows, static_cast<const bf16_t*>(values), n, d, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvlink::tensor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvlink::tensor {

HWY_EXPORT(ScoreRowsImpl);
HWY_EXPORT(AccumulateRowsImpl);

void ScoreRows(const float* queries, int64_t rows, const void* keys, int64_t n, int64_t d,
               DType dtype, float* scores, int64_t stride) {
  HWY_DYNAMIC_DISPATCH(ScoreRowsImpl)(queries, rows, keys, n, d, dtype, scores, stride);
}
void AccumulateRows(const float* probabilities, int64_t stride, int64_t rows, const void* values,
                    int64_t n, int64_t d, DType dtype, float* out) {
  HWY_DYNAMIC_DISPATCH(AccumulateRowsImpl)
  (probabilities, stride, rows, values, n, d, dtype, out);
}

}  // namespace kvlink::tensor
#endif  // HWY_ONCE
