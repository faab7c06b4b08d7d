#include "model/pass_rows.h"

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "model/prepared_adapter.h"
#include "tensor/linear.h"

namespace kvlink::model {

PassRows::PassRows(std::span<const Sequence> batch, int64_t piece_tokens, DType matmul_dtype) {
  std::vector<const Sequence*> generated;
  for (const Sequence& s : batch) {
    if (s.generated) generated.push_back(&s);
  }
  std::stable_sort(generated.begin(), generated.end(), [](const Sequence* a, const Sequence* b) {
    return std::less<>()(a->adapter, b->adapter);
  });
  for (const Sequence* s : generated) {
    for (size_t t = 0; t < s->tokens.size(); ++t) Add(*s, static_cast<int64_t>(t), 1, 1);
  }
  generated_ = total_;
  for (const Sequence& s : batch) {
    if (s.generated) continue;
    const auto tokens = static_cast<int64_t>(s.tokens.size());
    for (int64_t t = 0, count = 0; t < tokens; t += count) {
      count = std::min(tokens - t, piece_tokens - (s.tail->size() + t) % piece_tokens);
      Add(s, t, count, tensor::Linear::PaddedRows(count, matmul_dtype));
      largest_ = std::max(largest_, count);
    }
  }
}

void PassRows::Add(const Sequence& s, int64_t token, int64_t count, int64_t padded) {
  pieces_.push_back({&s, token, count, total_, s.tail->size() + token});
  total_ += padded;
  piece_of_.resize(static_cast<size_t>(total_), static_cast<int32_t>(pieces_.size()) - 1);
  const bool everywhere = s.adapter != nullptr && s.adapter->scope() == AdapterScope::kEverywhere;
  for (int64_t t = token; t < token + count; ++t) {
    active_.push_back(everywhere || s.in_document.empty() || s.in_document[t] == 0 ? 1 : 0);
  }
  active_.resize(static_cast<size_t>(total_), 0);
}

int64_t PassRows::RowOf(const Sequence& sequence, int64_t token) const {
  const auto found = std::find_if(pieces_.begin(), pieces_.end(), [&](const Piece& p) {
    return p.sequence == &sequence && token >= p.token && token < p.token + p.count;
  });
  KVLINK_CHECK(found != pieces_.end());
  return found->row + token - found->token;
}

}  // namespace kvlink::model
