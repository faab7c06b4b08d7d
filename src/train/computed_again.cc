#include "train/computed_again.h"

#include "link/linker.h"
#include "link/recompute.h"

namespace kvlink {

Result<TrainingPrompt> ComputedAgain(Model& model, PreparedAdapter* adapter,
                                     std::span<const float> embeddings,
                                     const TrainingPrompt& prompt,
                                     std::span<const std::shared_ptr<const Block>> blocks) {
  const LinkedPrompt linked = Link(prompt.plan, {blocks.begin(), blocks.end()}, prompt.method);
  KVLINK_ASSIGN_OR_RETURN(
      const std::vector<int32_t> chosen,
      ChooseTokens(prompt.method, model, adapter, embeddings, prompt.plan, linked));
  return WithComputedAgain(prompt, chosen);
}

}  // namespace kvlink
