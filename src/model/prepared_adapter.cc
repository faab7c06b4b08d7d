#include "model/prepared_adapter.h"

#include <algorithm>

#include "tensor/kernels.h"

namespace kvlink {

Result<std::unique_ptr<PreparedAdapter>> PreparedAdapter::Create(const Adapter& adapter,
                                                                 const ModelConfig& config,
                                                                 DType matmul_dtype) {
  auto prepared = std::make_unique<PreparedAdapter>();
  prepared->scope_ = adapter.scope;
  prepared->dtype_ = matmul_dtype;
  prepared->layers_.resize(static_cast<size_t>(config.layers));
  for (int32_t l = 0; l < config.layers; ++l) {
    for (int site = 0; site < kSites; ++site) {
      const LowRank& low = adapter.layers[l][site];
      if (low.rank == 0) continue;
      const int64_t r = low.rank, k = static_cast<int64_t>(low.a.size()) / r,
                    n = static_cast<int64_t>(low.b.size()) / r;
      const auto rows_of = [](const std::vector<float>& m, int64_t columns) {
        return [&m, columns](int64_t begin, int64_t end, float* out) {
          std::copy(m.begin() + begin * columns, m.begin() + end * columns, out);
        };
      };
      KVLINK_ASSIGN_OR_RETURN(Linear a, Linear::Create(k, r, matmul_dtype, rows_of(low.a, k)));
      KVLINK_ASSIGN_OR_RETURN(Linear b, Linear::Create(r, n, matmul_dtype, rows_of(low.b, r)));
      prepared->layers_[l][site] = {std::make_unique<Linear>(std::move(a)),
                                    std::make_unique<Linear>(std::move(b))};
    }
  }
  return prepared;
}

Status PreparedAdapter::Add(int32_t layer, Site site, const void* x, int64_t rows,
                            std::span<const uint8_t> active, float* y, int64_t y_stride,
                            int64_t y_column) {
  Factors& f = layers_[layer][static_cast<int>(site)];
  if (f.a == nullptr) return {};
  const int64_t r = f.a->n(), n = f.b->n(), padded = Linear::PaddedRows(rows, dtype_);
  low_.resize(padded * r);
  low_converted_.resize(padded * r * SizeOf(dtype_));
  high_.resize(padded * n);
  KVLINK_RETURN_IF_ERROR(f.a->Run(x, rows, low_.data()));
  Store(low_.data(), rows * r, dtype_, low_converted_.data());
  KVLINK_RETURN_IF_ERROR(f.b->Run(low_converted_.data(), rows, high_.data()));
  for (int64_t t = 0; t < rows; ++t) {
    if (!active.empty() && active[t] == 0) continue;
    AddTo(high_.data() + t * n, n, y + t * y_stride + y_column);
  }
  return {};
}

}  // namespace kvlink
