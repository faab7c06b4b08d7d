// The whole model as parameters, and the pass of the authors' training (docs/method.md, section 6):
// all of a prompt in one masked pass, documents included, gradients through all of it. Private to
// the room (Torch). Not here: the frozen base (frozen_model.h).
//
// A layer's activations are not kept: its backward pass computes them again from its input (Chen
// et al., arXiv 1604.06174), so memory grows with T * E for each layer, not with T * T * H.
//
// Letters: T tokens of a prompt, E width, H query heads, G kv heads, D head size, F feed-forward.
#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "link/linkable_model.h"
#include "model/model.h"
#include "train/linked_attention.h"
#include "train/options.h"
#include "train/training_prompt.h"

namespace kvlink::train {

class FullModel {
 public:
  // Parameters are f32 on `device`, as the file has them; matrices are multiplied as `dtype`,
  // kFloat or kBFloat16. Link embeddings start as options.link_start says. Errors: LinkStart's.
  static Result<std::unique_ptr<FullModel>> Create(const model::Model& model,
                                                   const TrainOptions& options,
                                                   at::ScalarType dtype, at::Device device);

  // The answer's logits [targets, V] f32. The graph holds pointers into this object until the next
  // call: run backward before it.
  at::Tensor AnswerLogits(const TrainingPrompt& prompt);

  at::Tensor& values() { return values_; }        // [P] f32; link embeddings first
  at::Tensor& gradients() { return gradients_; }  // [P] f32
  int64_t link_count() const { return link_count_; }
  // A tensor of the model's file as it is now; nullptr: it is not trained (RoPE's divisors).
  const at::Tensor* Find(const std::string& name) const;
  // The link tokens as a link file holds them, for no base yet.
  links::Links ToLinks(const link::LinkableModel& model) const;

  // False keeps all activations: faster where memory is no matter. Default: true.
  void set_checkpointing(bool on) { checkpointing_ = on; }
  // Layers that backward passes computed a second time.
  int64_t recomputed_layers() const { return recomputed_layers_; }

  // For layer functions: what all layers of one pass share.
  struct Pass {
    at::Tensor turns;  // [T, 1, D/2] complex64
    at::Tensor mask;   // [T, T] in dtype: 0 or -inf
  };
  // The layer's output [T, E] f32 for its input, by plain operations with a graph.
  at::Tensor RunLayer(const at::Tensor& x, int32_t layer, const Pass& pass) const;
  void CountRecomputedLayer() { ++recomputed_layers_; }

 private:
  FullModel(const model::Model& model, at::ScalarType dtype, at::Device device);
  at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight) const;

  const model::ModelConfig& config_;
  at::ScalarType dtype_;
  at::Device device_;
  RopeTurns turns_;
  int32_t k_ = 0, slots_ = 1;
  int64_t link_count_ = 0;
  at::Tensor values_, gradients_;
  at::Tensor links_;                          // [slots * k, E]; undefined when k = 0
  std::map<std::string, at::Tensor> leaves_;  // by GGUF's names
  Pass pass_;
  bool checkpointing_ = true;
  int64_t recomputed_layers_ = 0;
};

}  // namespace kvlink::train
