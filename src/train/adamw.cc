#include "train/adamw.h"

#include <torch/types.h>

#include <cmath>

namespace kvlink::train {

AdamW::AdamW(const at::Tensor& values, const AdamWOptions& options)
    : options_(options), first_(at::zeros_like(values)), second_(at::zeros_like(values)) {}

void AdamW::Step(at::Tensor* values, const at::Tensor& gradients,
                 std::initializer_list<Range> ranges) {
  const at::NoGradGuard no_gradient;
  ++steps_;
  first_.mul_(options_.beta1).add_(gradients, 1 - options_.beta1);
  second_.mul_(options_.beta2).addcmul_(gradients, gradients, 1 - options_.beta2);
  const double bias1 = 1 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double bias2 = 1 - std::pow(options_.beta2, static_cast<double>(steps_));
  for (const Range& range : ranges) {
    if (range.count == 0) continue;
    at::Tensor v = values->narrow(0, range.first, range.count);
    if (options_.weight_decay != 0) v.mul_(1 - range.rate * options_.weight_decay);
    const at::Tensor root = second_.narrow(0, range.first, range.count)
                                .sqrt()
                                .div_(std::sqrt(bias2))
                                .add_(options_.epsilon);
    v.addcdiv_(first_.narrow(0, range.first, range.count), root, -range.rate / bias1);
  }
}

}  // namespace kvlink::train
