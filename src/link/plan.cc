// MakePlan: lays the pieces of a prompt out in order. Pure. Not here: rendering (text/template.h),
// finding blocks and running the model over what is computed (the linker).
#include "link/plan.h"

#include <limits>

#include "base/check.h"

namespace kvlink::link {
namespace {

void Append(LinkPlan* plan, int32_t id, int32_t segment, TokenSource source) {
  plan->tokens.push_back({.id = id,
                          .position = static_cast<int32_t>(plan->tokens.size()),
                          .segment = segment,
                          .source = source});
}

void AppendComputed(LinkPlan* plan, int32_t id, TokenSource source) {
  plan->computed.push_back(static_cast<int32_t>(plan->tokens.size()));
  Append(plan, id, /*segment=*/0, source);
}

void AppendBlock(LinkPlan* plan, std::span<const int32_t> ids, int32_t document, int32_t segment,
                 TokenSource source) {
  plan->blocks.push_back({.start = static_cast<int32_t>(plan->tokens.size()),
                          .length = static_cast<int32_t>(ids.size()),
                          .document = document});
  for (const int32_t id : ids) Append(plan, id, segment, source);
}

}  // namespace

LinkPlan MakePlan(const PlanInput& input) {
  const size_t documents = input.documents.size();
  const size_t k = input.full ? 0 : static_cast<size_t>(input.k);
  KVLINK_CHECK(input.k >= 0);
  KVLINK_CHECK(input.full || input.link_ids.size() == k * documents);

  size_t total = input.preamble.size() + k * documents + input.question.size();
  for (const std::vector<int32_t>& document : input.documents) total += document.size();
  KVLINK_CHECK(total <= static_cast<size_t>(std::numeric_limits<int32_t>::max()));

  LinkPlan plan;
  plan.tokens.reserve(total);
  plan.blocks.reserve(documents + 1);
  // The preamble stands at position 0 and sees only itself, so its block is exact in both modes.
  if (!input.preamble.empty()) {
    AppendBlock(&plan, input.preamble, /*document=*/-1, /*segment=*/0, TokenSource::kSystem);
  }
  for (size_t i = 0; i < documents; ++i) {
    const auto document = static_cast<int32_t>(i);
    if (input.full) {
      for (const int32_t id : input.documents[i]) {
        AppendComputed(&plan, id, TokenSource::kDocument);
      }
      continue;
    }
    AppendBlock(&plan, input.documents[i], document, document + 1, TokenSource::kDocument);
    // An empty document keeps its link tokens: they belong to the slot, as in training.
    for (const int32_t id : input.link_ids.subspan(i * k, k)) {
      AppendComputed(&plan, id, TokenSource::kLink);
    }
  }
  for (const int32_t id : input.question) AppendComputed(&plan, id, TokenSource::kQuestion);
  return plan;
}

std::vector<int32_t> TokensOf(const LinkPlan& plan, const PlannedBlock& block) {
  std::vector<int32_t> tokens;
  tokens.reserve(static_cast<size_t>(block.length));
  for (int32_t i = block.start; i < block.start + block.length; ++i) {
    tokens.push_back(plan.tokens[i].id);
  }
  return tokens;
}

}  // namespace kvlink::link
