// Element-wise kernels over rows of numbers, chosen at run time for the CPU's instruction set
// (Highway). Called once a row or a tile, never once a number. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "base/dtype.h"

namespace kvlink::tensor {

// out [n] in `dtype` = x [n] / sqrt(mean(x^2) + epsilon) * weight [n] (arXiv 1910.07467).
void RmsNorm(const float* x, const float* weight, float epsilon, int64_t n, DType dtype, void* out);

// No number of x [n] is NaN or infinite.
bool AllFinite(const void* x, int64_t n, DType dtype);

// Highway's name of the instruction set that these kernels use on this CPU: their sums are added up
// in its vectors' order.
std::string KernelTarget();

// x [n] += y [n].
void AddTo(const float* y, int64_t n, float* x);

// out [n] in `dtype` = silu(gate [n]) * up [n] (SwiGLU, arXiv 2002.05202).
void SiluMul(const float* gate, const float* up, int64_t n, DType dtype, void* out);

// RoPE (arXiv 2104.09864) on one head: pairs (2i, 2i+1) turned by the angle whose cosine and sine
// are given, scaled; numbers from `rotated` on are only scaled.
// x [d], cosines and sines [rotated / 2], out [d] in `dtype`.
void Rotate(const float* x, const float* cosines, const float* sines, int64_t rotated, int64_t d,
            float scale, DType dtype, void* out);

// out [n] in `dtype` = x [n].
void ConvertTo(const float* x, int64_t n, DType dtype, void* out);
// out [n] f32 = x [n] in `dtype`.
void ConvertFrom(const void* x, int64_t n, DType dtype, float* out);

// One row of a running softmax (online softmax, arXiv 1805.02867). scores [n] are already scaled.
// Writes probabilities exp(score - new maximum) in `dtype` and zeros up to `padded`; updates
// *maximum and *sum; returns the factor by which what was accumulated before must be multiplied.
// REQUIRES: some score is finite; both rows have room for n rounded up to 16.
float SoftmaxRow(const float* scores, int64_t n, int64_t padded, DType dtype, float* maximum,
                 float* sum, void* probabilities);

// x [n] *= factor.
void Scale(float factor, int64_t n, float* x);

}  // namespace kvlink::tensor
