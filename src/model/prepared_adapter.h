// A low-rank adapter packed for multiplication (model/adapter.h holds its numbers).
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"
#include "tensor/linear.h"

namespace kvlink {

// Thread promise: one use at a time.
class PreparedAdapter {
 public:
  static Result<std::unique_ptr<PreparedAdapter>> Create(const Adapter& adapter,
                                                         const ModelConfig& config,
                                                         DType matmul_dtype);
  AdapterScope scope() const { return scope_; }

  // y [T, y_stride] at column y_column += scale * B (A x), for each row whose `active` is not 0 (or
  // all, if it is empty). x [T, K] in the matmul dtype, with room for padded rows.
  Status Add(int32_t layer, Site site, const void* x, int64_t rows, std::span<const uint8_t> active,
             float* y, int64_t y_stride, int64_t y_column);

 private:
  struct Factors {
    std::unique_ptr<Linear> a, b;
  };
  AdapterScope scope_ = AdapterScope::kOutsideDocuments;
  DType dtype_ = DType::kF32;
  std::vector<std::array<Factors, kSites>> layers_;
  std::vector<float> low_, high_;  // [T, r], [T, N]
  std::vector<std::byte> low_converted_;
};

}  // namespace kvlink
