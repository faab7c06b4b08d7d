// The logarithm of a sum of exponentials: what turns a logit into a log-probability. Pure.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace kvlink::tensor {

// log(sum(exp(x))), in double, without overflow. REQUIRES: x is not empty.
inline double LogSumExp(std::span<const float> x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float v : x) sum += std::exp(v - largest);
  return largest + std::log(sum);
}

}  // namespace kvlink::tensor
