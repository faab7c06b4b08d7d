// The linker: turns a plan and its blocks into what Forward reads. No key is copied or re-rotated:
// a segment points at the block's planes and says where it stands (kvlink.md, section 4).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kv/block.h"
#include "link/plan.h"
#include "model/sequence.h"

namespace kvlink {

// A prompt ready to be computed. Keeps its blocks alive.
struct LinkedPrompt {
  std::vector<std::shared_ptr<const Block>> blocks;  // as in the plan
  std::vector<Segment> segments;                     // views of them, at their places
  // What one pass computes: tokens outside blocks.
  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<int32_t> segment_ids;  // all 0 but in the masked twin
};

// REQUIRES: blocks[i] is the block of plan.blocks[i]; runs of no tokens have nullptr.
LinkedPrompt Link(const LinkPlan& plan, std::vector<std::shared_ptr<const Block>> blocks);

// The same prompt as one masked pass over all its tokens, without any block: the reference that
// linking must equal.
LinkedPrompt MaskedTwin(const LinkPlan& plan);

Segment SegmentOf(const Block& block, int32_t start);

}  // namespace kvlink
