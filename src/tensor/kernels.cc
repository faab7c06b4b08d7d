#include "tensor/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

// Highway compiles this file once for each instruction set and picks one at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels.cc"
// The order matters.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace kvlink::tensor {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;

// Loads and stores of f32 or bf16 as f32 vectors. bf16 by integer shifts, so that rounding is the
// same (nearest, ties to even) on every instruction set.
HWY_INLINE VF LoadVector(DF d, const float* p) { return hn::LoadU(d, p); }
HWY_INLINE VF LoadVector(DF d, const bf16_t* p) {
  const hn::Rebind<uint16_t, DF> d16;
  const hn::RebindToUnsigned<DF> d32;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::LoadU(d16, p))));
}
HWY_INLINE void StoreVector(DF d, VF v, float* p) { hn::StoreU(v, d, p); }
// ToBf16 of each lane, NaN included.
HWY_INLINE void StoreVector([[maybe_unused]] DF d, VF v, bf16_t* p) {
  const hn::RebindToUnsigned<DF> d32;
  const hn::RebindToSigned<DF> di32;
  const hn::Rebind<int16_t, DF> di16;
  const auto u = hn::BitCast(d32, v);
  const auto odd = hn::And(hn::ShiftRight<16>(u), hn::Set(d32, 1));
  // What is no number must not be carried into one: its quiet bit is set instead.
  const auto sum = hn::Add(u, hn::Add(hn::Set(d32, 0x7fff), odd));
  const auto quiet = hn::Or(u, hn::Set(d32, 0x400000));
  const auto rounded = hn::IfThenElse(hn::RebindMask(d32, hn::Eq(v, v)), sum, quiet);
  // An arithmetic shift keeps the sign, so that the signed, saturating narrowing is exact.
  const auto high = hn::ShiftRight<16>(hn::BitCast(di32, rounded));
  hn::StoreU(hn::DemoteTo(di16, high), di16, reinterpret_cast<int16_t*>(p));
}
HWY_INLINE float LoadOne(const float* p) { return *p; }
HWY_INLINE float LoadOne(const bf16_t* p) { return FromBf16(*p); }
HWY_INLINE void StoreOne(float f, float* p) { *p = f; }
HWY_INLINE void StoreOne(float f, bf16_t* p) { *p = ToBf16(f); }

// e^x where -88 <= x <= 88, 0 at -inf, 2^127 above, NaN of NaN, with a relative error of 2^-22:
// 2^(x log2 e) is a shifted exponent times a polynomial (fitted to 2^f for |f| <= 1/2), half the
// work of Highway's Exp.
HWY_INLINE VF Exp(DF d, VF x) {
  const hn::RebindToSigned<DF> di;
  const VF y = hn::Min(hn::Set(d, 127.0f),
                       hn::Max(hn::Set(d, -127.0f), hn::Mul(x, hn::Set(d, 1.44269504f))));
  // Added to 1.5 * 2^23, a number is rounded and stands in the sum's low bits.
  const VF shift = hn::Set(d, 12582912.0f), shifted = hn::Add(y, shift);
  const VF f = hn::Sub(y, hn::Sub(shifted, shift));
  VF p = hn::MulAdd(hn::Set(d, 1.32647267e-3f), f, hn::Set(d, 9.67151268e-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 5.55073375e-2f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.240222421f));
  p = hn::MulAdd(p, f, hn::Set(d, 0.693146978f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  // An exponent added to a NaN's bits would make a number of it.
  const VF power = hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent));
  return hn::IfThenElse(hn::Eq(x, x), power, x);
}

template <class T>
void RmsNormT(const float* x, const float* weight, float epsilon, int64_t n, T* out) {
  const DF d;
  const int64_t lanes = hn::Lanes(d);
  VF sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const VF v = hn::LoadU(d, x + i);
    sum = hn::MulAdd(v, v, sum);
  }
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < n; ++i) total += x[i] * x[i];
  // A sum that is too large is no reason for zeros: what is computed with it must be seen.
  const float scale = std::isfinite(total)
                          ? 1.0f / std::sqrt(total / static_cast<float>(n) + epsilon)
                          : std::numeric_limits<float>::quiet_NaN();
  const VF vs = hn::Set(d, scale);
  for (i = 0; i + lanes <= n; i += lanes) {
    const VF v = hn::Mul(hn::Mul(hn::LoadU(d, x + i), vs), hn::LoadU(d, weight + i));
    StoreVector(d, v, out + i);
  }
  for (; i < n; ++i) StoreOne(x[i] * scale * weight[i], out + i);
}
void RmsNormF32(const float* x, const float* w, float e, int64_t n, void* out) {
  RmsNormT(x, w, e, n, static_cast<float*>(out));
}
void RmsNormBf16(const float* x, const float* w, float e, int64_t n, void* out) {
  RmsNormT(x, w, e, n, static_cast<bf16_t*>(out));
}

void AddToImpl(const float* y, int64_t n, float* x) {
  const DF d;
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, x + i);
  }
  for (; i < n; ++i) x[i] += y[i];
}

void ScaleImpl(float factor, int64_t n, float* x) {
  const DF d;
  const VF f = hn::Set(d, factor);
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), f), d, x + i);
  for (; i < n; ++i) x[i] *= factor;
}

template <class T>
void SiluMulT(const float* gate, const float* up, int64_t n, T* out) {
  const DF d;
  const VF one = hn::Set(d, 1.0f);
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const VF g = hn::LoadU(d, gate + i);
    // Below, e^-g is beyond Exp, and silu nothing.
    const VF silu = hn::IfThenZeroElse(hn::Lt(g, hn::Set(d, -88.0f)),
                                       hn::Div(g, hn::Add(one, Exp(d, hn::Neg(g)))));
    StoreVector(d, hn::Mul(silu, hn::LoadU(d, up + i)), out + i);
  }
  for (; i < n; ++i) StoreOne(gate[i] / (1.0f + std::exp(-gate[i])) * up[i], out + i);
}
void SiluMulF32(const float* g, const float* u, int64_t n, void* out) {
  SiluMulT(g, u, n, static_cast<float*>(out));
}
void SiluMulBf16(const float* g, const float* u, int64_t n, void* out) {
  SiluMulT(g, u, n, static_cast<bf16_t*>(out));
}

template <class T>
void RotateT(const float* x, const float* cosines, const float* sines, int64_t rotated, int64_t d_,
             float scale, T* out) {
  const DF d;
  const VF vs = hn::Set(d, scale);
  const int64_t lanes = hn::Lanes(d);
  HWY_ALIGN float pair[2 * hn::MaxLanes(d)];
  int64_t i = 0;
  for (; 2 * (i + lanes) <= rotated; i += lanes) {
    VF a, b;
    hn::LoadInterleaved2(d, x + 2 * i, a, b);
    const VF c = hn::Mul(hn::LoadU(d, cosines + i), vs);
    const VF s = hn::Mul(hn::LoadU(d, sines + i), vs);
    hn::StoreInterleaved2(hn::NegMulAdd(b, s, hn::Mul(a, c)), hn::MulAdd(a, s, hn::Mul(b, c)), d,
                          pair);
    StoreVector(d, hn::Load(d, pair), out + 2 * i);
    StoreVector(d, hn::Load(d, pair + lanes), out + 2 * i + lanes);
  }
  for (; 2 * i < rotated; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1], c = cosines[i] * scale, s = sines[i] * scale;
    StoreOne(a * c - b * s, out + 2 * i);
    StoreOne(a * s + b * c, out + 2 * i + 1);
  }
  for (int64_t j = rotated; j < d_; ++j) StoreOne(x[j] * scale, out + j);
}
void RotateF32(const float* x, const float* c, const float* s, int64_t rotated, int64_t d,
               float scale, void* out) {
  RotateT(x, c, s, rotated, d, scale, static_cast<float*>(out));
}
void RotateBf16(const float* x, const float* c, const float* s, int64_t rotated, int64_t d,
                float scale, void* out) {
  RotateT(x, c, s, rotated, d, scale, static_cast<bf16_t*>(out));
}

void StoreBf16(const float* x, int64_t n, bf16_t* out) {
  const DF d;
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) StoreVector(d, hn::LoadU(d, x + i), out + i);
  for (; i < n; ++i) StoreOne(x[i], out + i);
}
void LoadBf16(const bf16_t* x, int64_t n, float* out) {
  const DF d;
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(LoadVector(d, x + i), d, out + i);
  for (; i < n; ++i) out[i] = LoadOne(x + i);
}

template <class T>
float SoftmaxRowT(const float* scores, int64_t n, int64_t padded, float* maximum, float* sum,
                  T* out) {
  const DF d;
  const int64_t lanes = hn::Lanes(d);
  // Scores behind n count as minus infinity.
  const VF nothing = hn::Set(d, -std::numeric_limits<float>::infinity());
  const auto load = [&](int64_t i) {
    const VF v = hn::LoadU(d, scores + i);
    return i + lanes <= n ? v : hn::IfThenElse(hn::FirstN(d, n - i), v, nothing);
  };
  VF m = hn::Set(d, *maximum);
  for (int64_t i = 0; i < n; i += lanes) m = hn::Max(m, load(i));
  const float largest = hn::GetLane(hn::MaxOfLanes(d, m));
  const float factor = std::exp(*maximum - largest);
  const VF vm = hn::Set(d, largest);
  VF total = hn::Zero(d);
  int64_t i = 0;
  for (; i < n; i += lanes) {
    const VF p = Exp(d, hn::Sub(load(i), vm));
    total = hn::Add(total, p);
    StoreVector(d, p, out + i);
  }
  for (; i < padded; ++i) out[i] = 0;
  *maximum = largest;
  *sum = *sum * factor + hn::GetLane(hn::SumOfLanes(d, total));
  return factor;
}
float SoftmaxRowF32(const float* s, int64_t n, int64_t padded, float* m, float* sum, void* out) {
  return SoftmaxRowT(s, n, padded, m, sum, static_cast<float*>(out));
}
float SoftmaxRowBf16(const float* s, int64_t n, int64_t padded, float* m, float* sum, void* out) {
  return SoftmaxRowT(s, n, padded, m, sum, static_cast<bf16_t*>(out));
}

// Any bit of a finite number's exponent is 0.
bool AllFiniteF32(const float* x, int64_t n) {
  const DF d;
  const hn::RebindToUnsigned<DF> d32;
  const int64_t lanes = hn::Lanes(d);
  const auto exponent = hn::Set(d32, 0x7f800000u);
  auto found = hn::Eq(exponent, hn::Zero(d32));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto bits = hn::LoadU(d32, reinterpret_cast<const uint32_t*>(x) + i);
    found = hn::Or(found, hn::Eq(hn::And(bits, exponent), exponent));
  }
  bool all = hn::AllFalse(d32, found);
  for (; i < n; ++i) all = all && std::isfinite(x[i]);
  return all;
}
bool AllFiniteBf16(const bf16_t* x, int64_t n) {
  const hn::ScalableTag<uint16_t> d;
  const int64_t lanes = hn::Lanes(d);
  const auto exponent = hn::Set(d, uint16_t{0x7f80});
  auto found = hn::Eq(exponent, hn::Zero(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    found = hn::Or(found, hn::Eq(hn::And(hn::LoadU(d, x + i), exponent), exponent));
  }
  bool all = hn::AllFalse(d, found);
  for (; i < n; ++i) all = all && std::isfinite(FromBf16(x[i]));
  return all;
}

const char* TargetNameImpl() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace kvlink::tensor
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvlink::tensor {

HWY_EXPORT(RmsNormF32);
HWY_EXPORT(RmsNormBf16);
HWY_EXPORT(AddToImpl);
HWY_EXPORT(ScaleImpl);
HWY_EXPORT(SiluMulF32);
HWY_EXPORT(SiluMulBf16);
HWY_EXPORT(RotateF32);
HWY_EXPORT(RotateBf16);
HWY_EXPORT(StoreBf16);
HWY_EXPORT(LoadBf16);
HWY_EXPORT(SoftmaxRowF32);
HWY_EXPORT(SoftmaxRowBf16);
HWY_EXPORT(AllFiniteF32);
HWY_EXPORT(AllFiniteBf16);
HWY_EXPORT(TargetNameImpl);

void RmsNorm(const float* x, const float* weight, float epsilon, int64_t n, DType dtype,
             void* out) {
  if (dtype == DType::kF32) return HWY_DYNAMIC_DISPATCH(RmsNormF32)(x, weight, epsilon, n, out);
  HWY_DYNAMIC_DISPATCH(RmsNormBf16)(x, weight, epsilon, n, out);
}
bool AllFinite(const void* x, int64_t n, DType dtype) {
  return dtype == DType::kF32
             ? HWY_DYNAMIC_DISPATCH(AllFiniteF32)(static_cast<const float*>(x), n)
             : HWY_DYNAMIC_DISPATCH(AllFiniteBf16)(static_cast<const bf16_t*>(x), n);
}
std::string KernelTarget() { return HWY_DYNAMIC_DISPATCH(TargetNameImpl)(); }
void AddTo(const float* y, int64_t n, float* x) { HWY_DYNAMIC_DISPATCH(AddToImpl)(y, n, x); }
void Scale(float factor, int64_t n, float* x) { HWY_DYNAMIC_DISPATCH(ScaleImpl)(factor, n, x); }
void SiluMul(const float* gate, const float* up, int64_t n, DType dtype, void* out) {
  if (dtype == DType::kF32) return HWY_DYNAMIC_DISPATCH(SiluMulF32)(gate, up, n, out);
  HWY_DYNAMIC_DISPATCH(SiluMulBf16)(gate, up, n, out);
}
void Rotate(const float* x, const float* cosines, const float* sines, int64_t rotated, int64_t d,
            float scale, DType dtype, void* out) {
  if (dtype == DType::kF32) {
    return HWY_DYNAMIC_DISPATCH(RotateF32)(x, cosines, sines, rotated, d, scale, out);
  }
  HWY_DYNAMIC_DISPATCH(RotateBf16)(x, cosines, sines, rotated, d, scale, out);
}
void ConvertTo(const float* x, int64_t n, DType dtype, void* out) {
  if (dtype == DType::kF32) {
    std::copy_n(x, n, static_cast<float*>(out));
  } else {
    HWY_DYNAMIC_DISPATCH(StoreBf16)(x, n, static_cast<bf16_t*>(out));
  }
}
void ConvertFrom(const void* x, int64_t n, DType dtype, float* out) {
  if (dtype == DType::kF32) {
    std::copy_n(static_cast<const float*>(x), n, out);
  } else {
    HWY_DYNAMIC_DISPATCH(LoadBf16)(static_cast<const bf16_t*>(x), n, out);
  }
}
float SoftmaxRow(const float* scores, int64_t n, int64_t padded, DType dtype, float* maximum,
                 float* sum, void* probabilities) {
  if (dtype == DType::kF32) {
    return HWY_DYNAMIC_DISPATCH(SoftmaxRowF32)(scores, n, padded, maximum, sum, probabilities);
  }
  return HWY_DYNAMIC_DISPATCH(SoftmaxRowBf16)(scores, n, padded, maximum, sum, probabilities);
}

}  // namespace kvlink::tensor
#endif  // HWY_ONCE
