// The sampler: logits of one row -> the next token, its log probability and the alternatives. Reads
// no clock, no entropy, no global: the same settings, history and logits give the same token on
// every machine. Not here: when an answer ends (the request decides).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "kvlink/engine.h"
#include "kvlink/status.h"

namespace kvlink::engine {

// The random numbers of one request. The seed is mixed first: SplitMix64 streams of neighbouring
// seeds would overlap.
inline Random RandomOf(uint64_t seed) { return Random(Random(seed).Next()); }

struct SampledToken {
  int32_t id = 0;
  float logprob = 0;               // under the model's own distribution, before any setting
  std::vector<TokenChoice> top{};  // most probable first under the same; ties: lowest id first
};

// One request's sampler: its settings, the tokens it has seen, its random numbers. One owner, one
// thread. Steps, in this order:
//   1. repetition penalty r: the logit of each token in the history is divided by r if positive,
//      else multiplied by r (CTRL, arXiv 1909.05858, section 4.1);
//   2. temperature 0: the largest logit wins, lowest id on ties, and nothing below applies;
//      otherwise p = softmax(logits / temperature);
//   3. top-k: the k most probable tokens stay;
//   4. top-p: the shortest leading run of them that holds at least top_p of their probability stays
//      (arXiv 1904.09751);
//   5. min-p: tokens below min_p times the largest probability go (arXiv 2407.01082);
//   6. one of what is left is drawn in proportion to p.
// Ties in 3 and 4 are kept by lowest id. At least one token is always left.
class Sampler {
 public:
  // Without a seed it is 0: whoever wants another answer each time draws one (the engine does).
  // kInvalidArgument names the setting that is out of range, what it may be and what it was.
  static Result<Sampler> Create(const Sampling& sampling, int32_t vocab);

  // Tokens of the prompt, for the repetition penalty. Ids outside [0, V), such as link embeddings,
  // are passed over.
  void AddHistory(std::span<const int32_t> ids);

  // The next token, which joins the history. top_count alternatives at most (V if it is more).
  // kInvalidArgument: top_count < 0; kDataLoss: a logit is NaN or infinite (token named), and then
  // nothing has changed; kInternal: another number of logits than V.
  Result<SampledToken> Next(std::span<const float> logits, int32_t top_count);  // logits [V]

 private:
  Sampler(const Sampling& sampling, int32_t vocab);
  int32_t Draw(std::span<const float> logits);
  double Penalised(std::span<const float> logits, int32_t id) const;

  Sampling sampling_;
  std::vector<bool> in_history_;  // [V]
  Random random_;
};

}  // namespace kvlink::engine
