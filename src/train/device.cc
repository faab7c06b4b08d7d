#include "train/device.h"

#include <torch/cuda.h>

#include <charconv>
#include <string_view>

namespace kvlink {

Result<at::Device> FindDevice(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  constexpr std::string_view kCuda = "cuda";
  std::string_view rest = name;
  int index = 0;
  bool well_formed = rest.starts_with(kCuda);
  if (well_formed) {
    rest.remove_prefix(kCuda.size());
    if (!rest.empty()) {
      const char* const last = rest.data() + rest.size();
      const auto [end, error] = std::from_chars(rest.data() + 1, last, index);
      well_formed = rest.front() == ':' && rest.size() > 1 && error == std::errc() && end == last &&
                    index >= 0;
    }
  }
  if (!well_formed) {
    return InvalidArgument("--device: expected cpu, cuda or cuda:N, found \"" + name + "\"");
  }
  if (!torch::cuda::is_available()) {
    return Unsupported("--device " + name +
                       ": this kvlink-train's Torch has no CUDA, or finds no GPU; --device cpu "
                       "trains without, and docs/training.md says which Torch has it");
  }
  const auto count = static_cast<int>(torch::cuda::device_count());
  if (index >= count) {
    return InvalidArgument("--device " + name + ": expected cuda:0 to cuda:" +
                           std::to_string(count - 1) + ", as this machine's GPUs are numbered");
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

}  // namespace kvlink
