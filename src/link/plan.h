// The link plan: which tokens a prompt has, where they stand, who sees whom, and which of them are
// computed. A pure function of rendered tokens (docs/method.md, sections 2 and 3); `ask --explain`
// prints it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvlink/enums.h"

namespace kvlink::link {

struct PlannedToken {
  int32_t id = 0;  // < 0: ~id is an index into the link file's embeddings
  int32_t position = 0;
  int32_t segment = 0;  // 0 sees everything before it; i+1: document i, sees itself only
  TokenSource source = TokenSource::kQuestion;
};

// What documents and link tokens are in a prompt.
enum class Layout : uint8_t {
  kLinked,    // documents are blocks, link tokens after each
  kUnlinked,  // documents are blocks, no link tokens
  kFull,      // full attention: documents are segment 0, no blocks but the preamble, no links
};

// A run of tokens that is one block: the preamble (system text), or a document.
struct PlannedBlock {
  int32_t start = 0;     // position of its first token
  int32_t length = 0;    // may be 0
  int32_t document = 0;  // index in the input; -1: the preamble
};

struct LinkPlan {
  std::vector<PlannedToken> tokens;  // [L], positions 0..L-1, the whole prompt
  std::vector<PlannedBlock> blocks;  // by position; the preamble first if it is not empty
  // What one pass computes, in order: tokens outside blocks, and tokens of documents' blocks that a
  // method computes again (link/recompute.h), whose copy in the block is hidden then.
  std::vector<int32_t> computed;  // indices into tokens
};

// [block.length] the ids of its tokens.
std::vector<int32_t> TokensOf(const LinkPlan& plan, const PlannedBlock& block);

struct PlanInput {
  std::span<const int32_t> preamble;
  std::span<const std::vector<int32_t>> documents;
  std::span<const int32_t> question;  // documents_end, question, answer header
  int32_t k = 0;                      // link tokens after each document
  // Link token of (slot, j): a vocabulary id, or ~index for an embedding. k * documents long.
  std::span<const int32_t> link_ids;
  bool full = false;  // Layout::kFull
};

LinkPlan MakePlan(const PlanInput& input);

}  // namespace kvlink::link
