// A model's matrices, packed for multiplication: QKV in one, gate and up in one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "formats/gguf.h"
#include "model/config.h"
#include "tensor/linear.h"
#include "tensor/weight_memory.h"

namespace kvlink::model {

// The tokens' rows [V, E], in memory: what is read for every prompt must not change with a file
// that somebody writes to. Where the output matrix is tied and kept in codes, these are its codes.
class Embedding {
 public:
  Embedding() = default;
  explicit Embedding(const tensor::QuantizedMatrix& codes) : codes_(codes) {}
  // Copies the tensor's bytes into `where`, which must outlive it. kResourceExhausted: no memory.
  static Result<Embedding> Copy(const formats::TensorInfo& tensor, tensor::WeightMemory* where);

  void ReadRow(int64_t row, float* out) const;  // out [E]
  int64_t own_bytes() const;                    // beside the output matrix

 private:
  std::optional<tensor::QuantizedMatrix> codes_;
  formats::TensorInfo tensor_;  // of the copy; its name is empty
};

struct LayerWeights {
  std::vector<float> attention_norm;     // [E]
  tensor::Linear qkv;                    // [(H + 2G) * D, E]
  tensor::Linear output;                 // [E, H * D]
  std::vector<float> feed_forward_norm;  // [E]
  tensor::Linear gate_up;                // [2F, E]
  tensor::Linear down;                   // [E, F]
};

struct Weights {
  std::unique_ptr<tensor::WeightMemory> memory;  // in which all matrices lie
  std::vector<LayerWeights> layers;              // [L]
  std::vector<float> final_norm;                 // [E]
  std::vector<tensor::Linear> output_head;       // one: [V, E]
  Embedding embedding;

  int64_t bytes() const;
};

// keep_codes: quantised matrices are kept in their codes too, for decoding: 6 to 10 bits a weight,
// which is what a token reads then. Nothing is read from the file afterwards. REQUIRES:
// ReadModelConfig accepted the file.
Result<Weights> LoadWeights(const formats::GgufFile& file, const ModelConfig& config,
                            DType matmul_dtype, bool keep_codes);

// One row of a matrix tensor as floats. out [columns].
void ReadRow(const formats::TensorInfo& tensor, int64_t row, float* out);
// A vector tensor as floats.
std::vector<float> ReadVector(const formats::TensorInfo& tensor);

}  // namespace kvlink::model
