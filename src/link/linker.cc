#include "link/linker.h"

#include "base/check.h"

namespace kvlink {

Segment SegmentOf(const Block& block, int32_t start) {
  Segment s;
  for (int32_t l = 0; l < block.shape().layers; ++l) {
    s.keys.push_back(block.keys(l));
    s.values.push_back(block.values(l));
  }
  s.tokens = block.shape().tokens;
  s.stride = block.shape().padded_tokens();
  s.start = start;
  return s;
}

LinkedPrompt Link(const LinkPlan& plan, std::vector<std::shared_ptr<const Block>> blocks) {
  KVLINK_CHECK(blocks.size() == plan.blocks.size());
  LinkedPrompt prompt;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (plan.blocks[i].length == 0) continue;
    prompt.segments.push_back(SegmentOf(*blocks[i], plan.blocks[i].start));
  }
  for (const int32_t i : plan.computed) {
    prompt.tokens.push_back(plan.tokens[i].id);
    prompt.positions.push_back(plan.tokens[i].position);
    prompt.segment_ids.push_back(0);
  }
  prompt.blocks = std::move(blocks);
  return prompt;
}

LinkedPrompt MaskedTwin(const LinkPlan& plan) {
  LinkedPrompt prompt;
  for (const PlannedToken& token : plan.tokens) {
    prompt.tokens.push_back(token.id);
    prompt.positions.push_back(token.position);
    prompt.segment_ids.push_back(token.segment);
  }
  return prompt;
}

}  // namespace kvlink
