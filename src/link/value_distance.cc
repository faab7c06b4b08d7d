#include "link/value_distance.h"

#include <cstddef>

#include "tensor/kernels.h"

namespace kvlink::link {

std::vector<float> ValueDistances(const ValueRows& a, const ValueRows& b, int64_t count,
                                  int64_t kv_heads, int64_t head_dim, DType dtype) {
  std::vector<float> distances(static_cast<size_t>(count)), x(static_cast<size_t>(head_dim)), y(x);
  const auto load = [&](const ValueRows& rows, int64_t group, int64_t i, std::vector<float>* out) {
    const int64_t row = group * rows.stride + rows.first + i;
    tensor::ConvertFrom(static_cast<const std::byte*>(rows.plane) + row * head_dim * SizeOf(dtype),
                        head_dim, dtype, out->data());
  };
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (int64_t g = 0; g < kv_heads; ++g) {
      load(a, g, i, &x);
      load(b, g, i, &y);
      for (int64_t n = 0; n < head_dim; ++n) {
        sum += (static_cast<double>(x[n]) - y[n]) * (static_cast<double>(x[n]) - y[n]);
      }
    }
    distances[i] = static_cast<float>(sum);
  }
  return distances;
}

}  // namespace kvlink::link
