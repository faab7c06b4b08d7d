#include "link/linker.h"

#include <algorithm>

#include "base/check.h"

namespace kvlink::link {
namespace {

// [length] which of the block's tokens are computed again; empty: none.
std::vector<uint8_t> Hidden(const LinkPlan& plan, const PlannedBlock& block) {
  const auto first = std::lower_bound(plan.computed.begin(), plan.computed.end(), block.start);
  const auto last = std::lower_bound(first, plan.computed.end(), block.start + block.length);
  if (first == last) return {};
  std::vector<uint8_t> hidden(static_cast<size_t>(block.length));
  for (auto i = first; i < last; ++i) hidden[*i - block.start] = 1;
  return hidden;
}

}  // namespace

model::Segment SegmentOf(const kv::Block& block, int32_t start) {
  model::Segment s;
  for (int32_t l = 0; l < block.shape().layers; ++l) {
    s.keys.push_back(block.keys(l));
    s.values.push_back(block.values(l));
  }
  s.tokens = block.shape().tokens;
  s.stride = block.shape().padded_tokens();
  s.start = start;
  return s;
}

LinkedPrompt Link(const LinkPlan& plan, std::vector<std::shared_ptr<const kv::Block>> blocks,
                  const MethodRules& rules) {
  KVLINK_CHECK(blocks.size() == plan.blocks.size());
  LinkedPrompt prompt;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const PlannedBlock& planned = plan.blocks[i];
    if (planned.length == 0) continue;
    model::Segment segment = SegmentOf(*blocks[i], planned.start);
    if (!rules.reencoded) segment.shift = segment.start;
    segment.ape_weighed = rules.ape && planned.document >= 0;
    if (std::vector<uint8_t> hidden = Hidden(plan, planned); !hidden.empty()) {
      prompt.hidden.push_back(std::make_shared<const std::vector<uint8_t>>(std::move(hidden)));
      segment.hidden = prompt.hidden.back()->data();
    }
    prompt.segments.push_back(std::move(segment));
  }
  for (const int32_t i : plan.computed) {
    prompt.tokens.push_back(plan.tokens[i].id);
    prompt.positions.push_back(plan.tokens[i].position);
    prompt.segment_ids.push_back(0);
    prompt.in_document.push_back(plan.tokens[i].source == TokenSource::kDocument);
  }
  prompt.blocks = std::move(blocks);
  return prompt;
}

LinkedPrompt MaskedTwin(const LinkPlan& plan, std::span<const int32_t> prefix) {
  LinkedPrompt prompt;
  const auto add = [&](int32_t id, int32_t position, int32_t segment, bool document) {
    prompt.tokens.push_back(id);
    prompt.positions.push_back(position);
    prompt.segment_ids.push_back(segment);
    prompt.in_document.push_back(document);
  };
  int32_t before = 0;
  for (const PlannedToken& token : plan.tokens) {
    if (token.segment != 0 && token.segment != before) {  // a document begins
      int32_t position = token.position - static_cast<int32_t>(prefix.size());
      for (const int32_t id : prefix) add(id, position++, -token.segment, /*document=*/true);
    }
    before = token.segment;
    add(token.id, token.position, token.segment, token.source == TokenSource::kDocument);
  }
  return prompt;
}

}  // namespace kvlink::link
