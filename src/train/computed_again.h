// Tokens of documents that a training prompt computes again, chosen as serving chooses them
// (link/recompute.h). No Torch.
#pragma once

#include <memory>
#include <span>

#include "kv/block.h"
#include "model/model.h"
#include "model/prepared_adapter.h"
#include "train/training_prompt.h"

namespace kvlink::train {

// The prompt with what its method computes again, by a model with this adapter (nullptr: none) and
// these link embeddings. blocks: of prompt.documents.
Result<TrainingPrompt> ComputedAgain(model::Model& model, model::PreparedAdapter* adapter,
                                     std::span<const float> embeddings,
                                     const TrainingPrompt& prompt,
                                     std::span<const std::shared_ptr<const kv::Block>> blocks);

}  // namespace kvlink::train
