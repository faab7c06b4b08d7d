// How far apart cached values are from values computed anew: what CacheBlend chooses tokens by
// (arXiv 2405.16444, section 4.3). Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "base/dtype.h"

namespace kvlink::link {

// Some tokens' values in one layer's plane.
struct ValueRows {
  const void* plane = nullptr;  // [G, stride, D]
  int64_t stride = 0;
  int64_t first = 0;  // the first of these tokens
};

// [count] squared differences of a's and b's tokens, over kv heads G and head size D.
std::vector<float> ValueDistances(const ValueRows& a, const ValueRows& b, int64_t count,
                                  int64_t kv_heads, int64_t head_dim, DType dtype);

}  // namespace kvlink::link
