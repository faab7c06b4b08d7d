#include "train/computed_again.h"

#include "link/linker.h"
#include "link/recompute.h"

namespace kvlink::train {

Result<TrainingPrompt> ComputedAgain(model::Model& model, model::PreparedAdapter* adapter,
                                     std::span<const float> embeddings,
                                     const TrainingPrompt& prompt,
                                     std::span<const std::shared_ptr<const kv::Block>> blocks) {
  const link::LinkedPrompt linked =
      link::Link(prompt.plan, {blocks.begin(), blocks.end()}, prompt.rules);
  KVLINK_ASSIGN_OR_RETURN(
      const std::vector<int32_t> chosen,
      link::ChooseTokens(prompt.rules, model, adapter, embeddings, prompt.plan, linked));
  return WithComputedAgain(prompt, chosen);
}

}  // namespace kvlink::train
