#include "diagnose/comparison.h"

#include <algorithm>
#include <cmath>

#include "tensor/log_sum_exp.h"

namespace kvlink::diagnose {

Result<Continuation> Continue(model::Model& model, model::PreparedAdapter* adapter,
                              std::span<const float> embeddings, const link::LinkedPrompt& prompt,
                              int32_t steps, std::span<const int32_t> forced) {
  const model::ModelConfig& c = model.config();
  const int64_t prompt_rows = static_cast<int64_t>(prompt.tokens.size());
  KVLINK_ASSIGN_OR_RETURN(
      model::Tail tail,
      model::Tail::Create(c.layers, c.kv_heads, c.head_dim, prompt_rows + steps, model.kv_dtype()));
  Continuation out;
  out.logits.resize(static_cast<size_t>(steps) * c.vocab);
  int32_t token = 0, row = static_cast<int32_t>(prompt_rows) - 1;
  int32_t position = prompt.positions.back();
  model::Sequence s;
  s.tokens = prompt.tokens;
  s.embeddings = embeddings;
  s.positions = prompt.positions;
  s.segment_ids = prompt.segment_ids;
  s.in_document = prompt.in_document;
  s.segments = prompt.segments;
  s.tail = &tail;
  s.adapter = adapter;
  s.logit_rows = {&row, 1};
  for (int32_t step = 0; step < steps; ++step) {
    float* logits = out.logits.data() + static_cast<int64_t>(step) * c.vocab;
    s.logits = logits;
    KVLINK_RETURN_IF_ERROR(model.Forward({&s, 1}));
    out.ids.push_back(static_cast<int32_t>(std::max_element(logits, logits + c.vocab) - logits));
    token = forced.empty() ? out.ids.back() : forced[step];
    ++position;
    row = 0;
    s.generated = true;
    s.tokens = {&token, 1};
    s.positions = {&position, 1};
    s.segment_ids = {};
    s.in_document = {};
  }
  return out;
}

double KlDivergence(std::span<const float> a, std::span<const float> b) {
  const double log_za = tensor::LogSumExp(a), log_zb = tensor::LogSumExp(b);
  double kl = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double log_p = a[i] - log_za;
    kl += std::exp(log_p) * (log_p - (b[i] - log_zb));
  }
  return std::max(kl, 0.0);
}

Difference Compare(const Continuation& a, const Continuation& b, int64_t vocab) {
  Difference d;
  d.steps = static_cast<int64_t>(a.ids.size());
  for (int64_t step = 0; step < d.steps; ++step) {
    const std::span<const float> x(a.logits.data() + step * vocab, vocab);
    const std::span<const float> y(b.logits.data() + step * vocab, vocab);
    for (int64_t i = 0; i < vocab; ++i) {
      d.max_logit = std::max(d.max_logit, std::abs(static_cast<double>(x[i]) - y[i]));
    }
    d.mean_kl += KlDivergence(x, y) / static_cast<double>(d.steps);
    d.top1_agreement += (a.ids[step] == b.ids[step]) / static_cast<double>(d.steps);
  }
  return d;
}

}  // namespace kvlink::diagnose
