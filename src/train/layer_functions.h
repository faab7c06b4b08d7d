// The pieces of a layer with their gradients written by hand: less memory and fewer passes than
// what automatic differentiation makes of them. Private to the room (Torch). T rows, E width, F
// feed-forward.
#pragma once

#include <torch/types.h>

namespace kvlink::train {

// x W^T with a frozen W [N, K] of x's dtype: no gradient of W, nothing kept. x [T, K] -> [T, N].
at::Tensor FrozenLinear(const at::Tensor& x, const at::Tensor& w);

// x [T, E] f32 -> [T, E] in `dtype`; weight [E] f32, frozen.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                   at::ScalarType dtype);

// silu(gate) * up: gate_up [T, 2F] -> [T, F], same dtype.
at::Tensor SwiGlu(const at::Tensor& gate_up);

}  // namespace kvlink::train
