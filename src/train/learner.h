// What the training loop asks of the thing that is trained: one flat vector of parameters, the
// gradients of a pass, and files at the end. Private to the room (Torch).
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/file.h"
#include "kvlink/status.h"
#include "train/training_prompt.h"

namespace kvlink::train {

// One owner, one thread.
class Learner {
 public:
  virtual ~Learner() = default;

  virtual at::Tensor& values() = 0;     // [P] f32; link embeddings first
  virtual at::Tensor& gradients() = 0;  // [P] f32, what passes have added
  virtual int64_t link_count() const = 0;

  // Cross-entropy of the prompts' answers, nats, summed. With `gradient`, adds the gradients of the
  // objective (train/loss.h), summed too, to gradients().
  virtual Result<double> Pass(std::span<const TrainingPrompt> prompts, bool gradient) = 0;

  // Writes what was learned. provenance: a JSON object (train/provenance.h).
  virtual Status Save(FileSystem& files, const std::string& provenance) = 0;
};

}  // namespace kvlink::train
