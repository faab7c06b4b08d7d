// Scores and sums of values for rows of queries, in f32: what each row computes does not depend on
// the rows beside it. Chosen at run time for the CPU's instruction set (Highway). Private to
// src/tensor. Pure; thread-safe.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace kvlink::tensor {

// scores [rows, stride]: scores[r][j] = queries[r] . keys[j], each summed from 0 to d - 1.
// queries [rows, d] f32, keys [n, d] in `dtype`.
void ScoreRows(const float* queries, int64_t rows, const void* keys, int64_t n, int64_t d,
               DType dtype, float* scores, int64_t stride);

// out [rows, d] += probabilities [rows, stride] (n used) * values [n, d] in `dtype`.
void AccumulateRows(const float* probabilities, int64_t stride, int64_t rows, const void* values,
                    int64_t n, int64_t d, DType dtype, float* out);

}  // namespace kvlink::tensor
