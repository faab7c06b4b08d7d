// RoPE's angles: cosines and sines for every position of a prompt, and so for every distance
// between a query and the start of a block (docs/method.md, section 4: a query is rotated to p -
// s). RoFormer, arXiv 2104.09864.
#pragma once

#include <cstdint>
#include <vector>

namespace kvlink::tensor {

// Grows as longer prompts come. Thread promise: Reserve excludes all else; reading is free.
class RopeTable {
 public:
  // frequencies [dims / 2]: radians a position, in the order in which the model pairs its numbers.
  explicit RopeTable(std::vector<double> frequencies) : frequencies_(std::move(frequencies)) {}

  void Reserve(int64_t positions);

  // [dims / 2] of `position`. REQUIRES: 0 <= position < positions().
  const float* Cosines(int64_t position) const { return table_.data() + position * rotated(); }
  const float* Sines(int64_t position) const { return Cosines(position) + rotated() / 2; }
  int64_t rotated() const { return 2 * static_cast<int64_t>(frequencies_.size()); }
  int64_t positions() const { return positions_; }

 private:
  std::vector<double> frequencies_;
  int64_t positions_ = 0;
  std::vector<float> table_;  // [positions, 2, dims / 2]
};

}  // namespace kvlink::tensor
