// The base model as Torch tensors, and the pass that gradients run through: computed tokens of
// several examples, with link embeddings and adapter, to the loss on their answers. The exact
// mathematics of model/forward.cc. Private to the room (Torch). Not here: full fine-tuning.
//
// Letters: T rows of a pass, E width, H query heads, G kv heads, D head size, F feed-forward,
// V vocabulary.
#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "model/model.h"
#include "train/linked_attention.h"
#include "train/parameters.h"
#include "train/training_prompt.h"

namespace kvlink::train {

// Examples that go through the layers together.
struct PassInput {
  std::vector<const TrainingPrompt*> prompts;
  std::vector<std::vector<std::shared_ptr<const kv::Block>>> blocks;  // of each prompt's documents
  bool adapter = true;  // false: the base model alone, as a teacher is
};

// Not immutable: one pass at a time.
class FrozenModel {
 public:
  // dtype of matrices and activations: kFloat or kBFloat16.
  static Result<std::unique_ptr<FrozenModel>> Create(const model::Model& model,
                                                     at::ScalarType dtype, at::Device device);

  // The answers' logits [targets of all prompts, V] f32, prompts in order. The graph holds pointers
  // into this object until the next call: run backward before it.
  at::Tensor AnswerLogits(const PassInput& input, Parameters& parameters);

  at::Device device() const { return device_; }
  at::ScalarType dtype() const { return dtype_; }

 private:
  struct Layer {
    at::Tensor attention_norm;     // [E] f32
    at::Tensor qkv;                // [(H + 2G) D, E]
    at::Tensor output;             // [E, H D]
    at::Tensor feed_forward_norm;  // [E] f32
    at::Tensor gate_up;            // [2F, E]
    at::Tensor down;               // [E, F]
  };
  struct Rows {  // of one pass
    std::vector<int32_t> tokens;
    std::vector<AttentionRows> attention;
    at::Tensor active;  // [T, 1] adapter's factor; undefined: acts on every row
    bool adapter = true;
  };

  FrozenModel(const model::Model& model, at::ScalarType dtype, at::Device device);
  at::Tensor Embed(const std::vector<int32_t>& tokens, Parameters& parameters) const;
  // The last layer's output [T, E], before the final norm.
  at::Tensor RunLayers(const Rows& rows, Parameters& parameters);
  // y [T, N] plus what the adapter makes of x [T, K] at `projections`, whose outputs stand side by
  // side.
  at::Tensor Adapt(const at::Tensor& y, const at::Tensor& x, int32_t layer,
                   std::initializer_list<model::Projection> projections, const Rows& rows,
                   const Parameters& parameters) const;

  const model::ModelConfig& config_;
  const model::Embedding* embedding_;
  at::ScalarType dtype_;
  at::Device device_;
  RopeTurns turns_;
  std::vector<Layer> layers_;
  at::Tensor final_norm_;  // [E] f32
  at::Tensor head_;        // [V, E]
  std::vector<KvBuffer> buffers_;
  Rows rows_;
};

}  // namespace kvlink::train
