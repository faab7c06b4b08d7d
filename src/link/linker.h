// The linker: turns a plan and its blocks into what Forward reads. No key is copied or re-rotated:
// a segment points at the block's planes and says where it stands (docs/method.md, section 4).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kv/block.h"
#include "link/method_rules.h"
#include "link/plan.h"
#include "model/sequence.h"

namespace kvlink::link {

// A prompt ready to be computed. Keeps its blocks alive.
struct LinkedPrompt {
  std::vector<std::shared_ptr<const kv::Block>> blocks;  // as in the plan
  std::vector<model::Segment> segments;                  // views of them, at their places
  std::vector<std::shared_ptr<const std::vector<uint8_t>>> hidden;  // masks segments point at
  // What one pass computes: tokens outside blocks, and those computed again.
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<int32_t> segment_ids;  // all 0 but in the masked twin
  std::vector<uint8_t> in_document;  // 1: a document's token
};

// A block's tokens that the plan computes again are hidden in it. Of the method: how documents'
// keys are rotated, and whether they are weighed. REQUIRES: blocks[i] is the block of
// plan.blocks[i]; runs of no tokens have nullptr.
LinkedPrompt Link(const LinkPlan& plan, std::vector<std::shared_ptr<const kv::Block>> blocks,
                  const MethodRules& rules = {});

// The same prompt as one masked pass over all its tokens, without any block: the reference that
// linking must equal. `prefix`: what documents are encoded behind; each has a copy of its own right
// before it, which it alone sees. REQUIRES: nothing of a block is computed again (no mask says
// that).
LinkedPrompt MaskedTwin(const LinkPlan& plan, std::span<const int32_t> prefix = {});

model::Segment SegmentOf(const kv::Block& block, int32_t start);

}  // namespace kvlink::link
