// The device that training's tensors live on. Private to the room (Torch).
#pragma once

#include <torch/types.h>

#include <string>

#include "kvlink/status.h"
#include "model/model.h"

namespace kvlink::train {

// "cpu", "cuda" (the first GPU) or "cuda:N". kInvalidArgument: another name, or a GPU that is not
// there; kUnsupported: this Torch has no CUDA, or finds no GPU that it can use.
Result<at::Device> FindDevice(const std::string& name);

// Numbers of matrices and activations there: what the serving engine computes in on this CPU, which
// may know f32 alone; on a GPU what the model is kept in (--dtype).
DType ComputeType(const model::Model& model, at::Device device);

// REQUIRES: kBF16 or kF32
inline at::ScalarType TorchType(DType dtype) {
  return dtype == DType::kBF16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace kvlink::train
