// Compares two ways to compute the same prompt, logits by logits: linked against its masked twin,
// full attention against linked. What `kvlink check` and the tests stand on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "link/linker.h"
#include "model/model.h"
#include "model/prepared_adapter.h"

namespace kvlink::diagnose {

// A prompt computed and continued greedily.
struct Continuation {
  std::vector<int32_t> ids;   // [steps] the most probable token after each step, lowest id on ties
  std::vector<float> logits;  // [steps, V]
};

// Computes `prompt` and `steps` - 1 further tokens: those of `forced` if it is not empty (then as
// many as steps), else its own most probable ones.
Result<Continuation> Continue(model::Model& model, model::PreparedAdapter* adapter,
                              std::span<const float> embeddings, const link::LinkedPrompt& prompt,
                              int32_t steps, std::span<const int32_t> forced);

struct Difference {
  double max_logit = 0;       // largest |difference| of a logit
  double mean_kl = 0;         // mean over steps of KL(a || b), nats
  double top1_agreement = 0;  // share of steps with the same most probable token
  int64_t steps = 0;
};

// REQUIRES: as many steps in both, vocab logits each.
Difference Compare(const Continuation& a, const Continuation& b, int64_t vocab);

// KL(softmax(a) || softmax(b)), nats. a, b [V].
double KlDivergence(std::span<const float> a, std::span<const float> b);

}  // namespace kvlink::diagnose
