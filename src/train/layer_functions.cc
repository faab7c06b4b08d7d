#include "train/layer_functions.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

namespace kvlink::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct FrozenLinearFunction : public Function<FrozenLinearFunction> {
  static Variable forward(AutogradContext* context, const Variable& x, const Variable& w) {
    context->saved_data["w"] = w;
    return at::linear(x, w);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {at::mm(gradients[0], context->saved_data["w"].toTensor()), Variable()};
  }
};

struct RmsNormFunction : public Function<RmsNormFunction> {
  static Variable forward(AutogradContext* context, const Variable& x, const Variable& weight,
                          double epsilon, at::ScalarType dtype) {
    // Not the mean of squares as a tensor of its own: one dot product a row.
    const at::Tensor root = x.square().mean(1, /*keepdim=*/true).add_(epsilon).rsqrt_();  // [T, 1]
    context->save_for_backward({x, root});
    context->saved_data["weight"] = weight;
    return (x * root).mul_(weight).to(dtype);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &root = saved[1];
    const at::Tensor g =
        gradients[0].to(at::kFloat) * context->saved_data["weight"].toTensor();  // [T, E]
    const at::Tensor along = (g * x).mean(1, /*keepdim=*/true).mul_(root).mul_(root);
    return {(g - x * along).mul_(root), Variable(), Variable(), Variable()};
  }
};

struct SwiGluFunction : public Function<SwiGluFunction> {
  static Variable forward(AutogradContext* context, const Variable& gate_up) {
    context->save_for_backward({gate_up});
    const int64_t f = gate_up.size(1) / 2;
    return at::silu(gate_up.narrow(1, 0, f)).mul_(gate_up.narrow(1, f, f));
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor gate_up = context->get_saved_variables()[0];
    const int64_t f = gate_up.size(1) / 2;
    const at::Tensor gate = gate_up.narrow(1, 0, f), up = gate_up.narrow(1, f, f);
    const at::Tensor& g = gradients[0];
    at::Tensor out = at::empty_like(gate_up);
    out.narrow(1, 0, f).copy_(at::silu_backward(g * up, gate));
    out.narrow(1, f, f).copy_(at::silu(gate).mul_(g));
    return {out};
  }
};

}  // namespace

at::Tensor FrozenLinear(const at::Tensor& x, const at::Tensor& w) {
  return FrozenLinearFunction::apply(x, w);
}

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon,
                   at::ScalarType dtype) {
  return RmsNormFunction::apply(x, weight, epsilon, dtype);
}

at::Tensor SwiGlu(const at::Tensor& gate_up) { return SwiGluFunction::apply(gate_up); }

}  // namespace kvlink::train
