#include "tensor/rope.h"

#include <algorithm>
#include <cmath>

namespace kvlink::tensor {

void RopeTable::Reserve(int64_t positions) {
  if (positions <= positions_) return;
  positions = std::max({positions, 2 * positions_, int64_t{1024}});
  const int64_t half = rotated() / 2;
  table_.resize(static_cast<size_t>(rotated() * positions));
#pragma omp parallel for
  for (int64_t p = positions_; p < positions; ++p) {
    float* row = table_.data() + p * rotated();
    for (int64_t i = 0; i < half; ++i) {
      // In double: at position 100,000 a float angle has lost its third decimal.
      const double angle = static_cast<double>(p) * frequencies_[i];
      row[i] = static_cast<float>(std::cos(angle));
      row[half + i] = static_cast<float>(std::sin(angle));
    }
  }
  positions_ = positions;
}

}  // namespace kvlink::tensor
