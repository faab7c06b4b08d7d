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

namespace kvlink::model {

// Projections that read the same input and write side by side, as the forward pass's matrices do.
// One pair of multiplications serves a group: its A stand under each other, its B on a diagonal.
enum class ProjectionGroup { kQkv = 0, kOutput, kGateUp, kDown };
inline constexpr int kProjectionGroups = 4;

// Thread promise: one use at a time.
class PreparedAdapter {
 public:
  static Result<std::unique_ptr<PreparedAdapter>> Create(const Adapter& adapter,
                                                         const ModelConfig& config,
                                                         DType matmul_dtype);
  AdapterScope scope() const { return scope_; }

  // y [T, N] += scale * B (A x), for each row whose `active` is not 0; N: the columns of the
  // group's matrix. x [T, K] in the matmul dtype. `generated`: rows that do not know of each other
  // (Linear::RunRows); else a piece of a prompt, and all three have room for PaddedRows(T) rows.
  Status Add(int32_t layer, ProjectionGroup group, bool generated, const void* x,
             std::span<const uint8_t> active, float* y);

 private:
  struct Factors {
    std::unique_ptr<tensor::Linear> a, b;  // null: no adapter here
  };
  AdapterScope scope_ = AdapterScope::kOutsideDocuments;
  DType dtype_ = DType::kF32;
  std::vector<std::array<Factors, kProjectionGroups>> layers_;
  std::vector<float> low_;  // [T, r]
  std::vector<std::byte> low_converted_;
};

}  // namespace kvlink::model
