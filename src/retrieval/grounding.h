// Whether the passages hold what was asked, or the answer is likely made up. Pure. Not here: which
// sentence holds it (retrieval/evidence.h).
#pragma once

#include <cstdint>
#include "kvlink/documents.h"

namespace kvlink::retrieval {

// What tells the two apart; each alone does so worse (docs/quality.md, Not in the documents).
struct GroundingSigns {
  double coverage = 0;  // the best of the passages' SearchHit::coverage
  int64_t tokens = 0;   // of the answer
  // The lowest of them, and their mean, under the model, nats; the answer that ends at once has
  // none.
  double least_logprob = 0;
  double mean_logprob = 0;
  double sentence_support = 0;  // retrieval/evidence.h
  double share_in_passages = 0;
};

Grounding JudgeGrounding(const GroundingSigns& signs);

}  // namespace kvlink::retrieval
