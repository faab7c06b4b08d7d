// What a sequence must be before anything is computed of it.
#include <string>

#include "model/model.h"

namespace kvlink::model {

Status Model::Check(const Sequence& s) const {
  const auto count = static_cast<int64_t>(s.tokens.size());
  const int64_t embeddings = static_cast<int64_t>(s.embeddings.size()) / config_.width;
  const auto of_tokens = [&](size_t n) { return n == s.tokens.size(); };
  if (!of_tokens(s.positions.size()) ||
      !(s.segment_ids.empty() || of_tokens(s.segment_ids.size())) ||
      !(s.in_document.empty() || of_tokens(s.in_document.size()))) {
    return InvalidArgument("a prompt of " + std::to_string(count) + " tokens has " +
                           std::to_string(s.positions.size()) + " positions, " +
                           std::to_string(s.segment_ids.size()) + " segment ids and " +
                           std::to_string(s.in_document.size()) + " marks of documents");
  }
  for (int64_t t = 0; t < count; ++t) {
    const int32_t id = s.tokens[t];
    if (id >= config_.vocab || (id < 0 && ~id >= embeddings)) {
      return InvalidArgument("token " + std::to_string(t) + " of the prompt has id " +
                             std::to_string(id) + "; this model has ids 0 to " +
                             std::to_string(config_.vocab - 1) + " and " +
                             std::to_string(embeddings) + " link embeddings");
    }
    const bool ascends = t == 0 || s.positions[t] > s.positions[t - 1];
    if (s.positions[t] < 0 || (!ascends && s.segment_ids.empty())) {
      return InvalidArgument("positions of a prompt must ascend from 0; token " +
                             std::to_string(t) + " stands at " + std::to_string(s.positions[t]));
    }
  }
  for (const int32_t row : s.logit_rows) {
    if (row >= 0 && row < count) continue;
    return InvalidArgument("logits of token " + std::to_string(row) + " are wanted of a pass of " +
                           std::to_string(count) + " tokens");
  }
  if (s.tail->size() + count > s.tail->stride()) {
    return ResourceExhausted("the request has room for " + std::to_string(s.tail->stride()) +
                             " tokens of its own and needs " +
                             std::to_string(s.tail->size() + count));
  }
  return {};
}

}  // namespace kvlink::model
