// AdamW (Loshchilov, Hutter, arXiv 1711.05101) over one flat vector of parameters whose parts learn
// at different rates. Private to the room (Torch).
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace kvlink::train {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;
};

class AdamW {
 public:
  AdamW(const at::Tensor& values, const AdamWOptions& options);

  // One step; `rates` has the learning rate of each of the `splits` ranges of values.
  struct Range {
    int64_t first = 0, count = 0;
    double rate = 0;
  };
  void Step(at::Tensor* values, const at::Tensor& gradients, std::initializer_list<Range> ranges);

  at::Tensor& first_moment() { return first_; }
  at::Tensor& second_moment() { return second_; }
  int64_t& steps() { return steps_; }

 private:
  AdamWOptions options_;
  at::Tensor first_, second_;  // [P]
  int64_t steps_ = 0;
};

}  // namespace kvlink::train
