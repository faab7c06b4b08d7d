// An example as the trainer sees it: the serving prompt, token for token (link/plan.h), with the
// answer behind it. Pure. Not here: the documents' blocks (train/document_blocks.h), Torch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/example.h"
#include "kvlink/status.h"
#include "link/linkable_model.h"
#include "link/method_rules.h"
#include "link/plan.h"

namespace kvlink::train {

// T computed tokens, in the order of their positions: those outside documents, and of documents
// those that a method computes again, or, where the adapter acts on documents too, all. One outside
// documents, or computed again, sees every position up to its own.
struct TrainingPrompt {
  std::string id;                               // of the example
  std::string place;                            // Example::place
  std::vector<int32_t> tokens;                  // [T]; < 0: ~index of a link embedding
  std::vector<int32_t> positions;               // [T]
  std::vector<int32_t> sees_from;               // [T] the first position that each sees; shorter: 0
  std::vector<std::vector<int32_t>> documents;  // not computed, those that are not empty
  std::vector<int32_t> starts;                  // positions of their first tokens
  std::vector<uint8_t> in_document;  // [T] 1: computed again, without adapter; empty: all 0
  // How it is linked, and, where that computes tokens again, what to choose them by: all but the
  // answer, `documents` as blocks, the preamble computed.
  link::MethodRules rules;
  link::LinkPlan plan;
  // Full attention, documents without adapter: what stands before the question, without gradient.
  // Tokens that the adapter acts on (those of the preamble) come first.
  std::vector<int32_t> prefix;  // at positions 0..
  int32_t preamble_tokens = 0;  // how many of them are the preamble's
  // Row target_rows[i] of the computed ones must give targets[i]: the answer, then its end.
  std::vector<int32_t> target_rows;
  std::vector<int32_t> targets;
  int32_t length = 0;  // positions in all
  // For distillation: the same example under full attention, with the same targets. One or none.
  std::vector<TrainingPrompt> teacher;

  int64_t document_tokens() const;
};

// kInvalidArgument: no answer, or nothing to ask; kResourceExhausted: longer than max_tokens
// (both lengths named).
Result<TrainingPrompt> MakeTrainingPrompt(const link::LinkableModel& model,
                                          const data::Example& example, bool full,
                                          model::AdapterScope scope, const Method& method,
                                          int64_t max_tokens);

// The same prompt with tokens of its documents computed again (link/recompute.h). chosen: their
// positions, ascending.
TrainingPrompt WithComputedAgain(TrainingPrompt prompt, std::span<const int32_t> chosen);

}  // namespace kvlink::train
