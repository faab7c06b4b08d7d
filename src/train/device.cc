#include "train/device.h"

#include <torch/cuda.h>

#include "train/options.h"

namespace kvlink::train {

Result<at::Device> FindDevice(const std::string& name) {
  KVLINK_ASSIGN_OR_RETURN(const std::optional<int32_t> gpu, GpuOf(name));
  if (!gpu) return at::Device(at::kCPU);
  if (!torch::cuda::is_available()) {
    return Unsupported("--device " + name +
                       ": this kvlink-train's Torch has no CUDA, or finds no GPU; --device cpu "
                       "trains without, and docs/training.md says which Torch has it");
  }
  const auto count = static_cast<int32_t>(torch::cuda::device_count());
  if (*gpu >= count) {
    return InvalidArgument("--device " + name + ": expected cuda:0 to cuda:" +
                           std::to_string(count - 1) + ", as this machine's GPUs are numbered");
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(*gpu));
}

DType ComputeType(const model::Model& model, at::Device device) {
  return device.is_cpu() ? model.matmul_dtype() : model.kv_dtype();
}

}  // namespace kvlink::train
