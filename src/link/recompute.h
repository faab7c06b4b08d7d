// Selective recompute: which of the documents' tokens a method computes again for a prompt, and the
// plan in which it does. Such a token stands in segment 0: it sees everything before it, its KV
// joins the request's tail, and its copy in the block is hidden (link/linker.h). Blocks stay as
// they are. docs/methods.md has the methods.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "link/linker.h"
#include "link/method_rules.h"
#include "link/plan.h"
#include "model/model.h"
#include "model/prepared_adapter.h"

namespace kvlink::link {

// Tokens of documents' blocks: indices into plan.tokens, ascending.
std::vector<int32_t> BlockTokens(const LinkPlan& plan);
// Of these, the first `count` of each document.
std::vector<int32_t> FirstOfEach(const LinkPlan& plan, int32_t count);
// The share `fraction` of `tokens`, rounded to a whole number, whose scores are largest; the
// earlier of equal ones. Ascending. scores [tokens].
std::vector<int32_t> Largest(std::span<const int32_t> tokens, std::span<const float> scores,
                             double fraction);
// The same prompt with these tokens computed again. `chosen` [..] ascending, out of BlockTokens.
LinkPlan Recomputed(LinkPlan plan, std::span<const int32_t> chosen);

// How much each of BlockTokens differs from what full attention makes of it: the squared difference
// of its values in layer 1 (0 if there is no other), for which all tokens of documents and links
// are computed up to there (CacheBlend, arXiv 2405.16444, section 4.3).
Result<std::vector<float>> Deviation(model::Model& model, model::PreparedAdapter* adapter,
                                     std::span<const float> embeddings, const LinkPlan& plan,
                                     const LinkedPrompt& linked);
// How much attention each of BlockTokens gets from the question's tokens in the middle layer of the
// linked prompt, summed over heads (after CacheClip, arXiv 2510.10129).
Result<std::vector<float>> QuestionAttention(model::Model& model, model::PreparedAdapter* adapter,
                                             std::span<const float> embeddings,
                                             const LinkPlan& plan, const LinkedPrompt& linked);

// What the method computes again. REQUIRES: `linked` is the plan's, with nothing computed again.
Result<std::vector<int32_t>> ChooseTokens(const MethodRules& rules, model::Model& model,
                                          model::PreparedAdapter* adapter,
                                          std::span<const float> embeddings, const LinkPlan& plan,
                                          const LinkedPrompt& linked);

}  // namespace kvlink::link
