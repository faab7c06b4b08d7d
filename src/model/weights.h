// A model's matrices, packed for multiplication: QKV in one, gate and up in one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/gguf.h"
#include "tensor/linear.h"
#include "tensor/weight_memory.h"

namespace kvlink {

struct LayerWeights {
  std::vector<float> attention_norm;     // [E]
  Linear qkv;                            // [(H + 2G) * D, E]
  Linear output;                         // [E, H * D]
  std::vector<float> feed_forward_norm;  // [E]
  Linear gate_up;                        // [2F, E]
  Linear down;                           // [E, F]
};

struct Weights {
  std::unique_ptr<WeightMemory> memory;   // in which all matrices lie
  std::vector<LayerWeights> layers;       // [L]
  std::vector<float> final_norm;          // [E]
  std::vector<Linear> head;               // one: [V, E]
  const TensorInfo* embedding = nullptr;  // [V, E], read row by row from the file

  int64_t bytes() const;
};

// keep_codes: quantised matrices are kept in their codes too, for decoding: 6 to 10 bits a weight,
// which is what a token reads then. REQUIRES: ReadModelConfig accepted the file.
Result<Weights> LoadWeights(const GgufFile& file, const ModelConfig& config, DType matmul_dtype,
                            bool keep_codes);

// One row of a matrix tensor as floats. out [columns].
void ReadRow(const TensorInfo& tensor, int64_t row, float* out);
// A vector tensor as floats.
std::vector<float> ReadVector(const TensorInfo& tensor);

}  // namespace kvlink
