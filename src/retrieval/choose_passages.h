// Which hits of a search go into the prompt, and in which order. Pure. Not here: finding them
// (retrieval/document_index.h) and what the model's context holds (engine/prepare.cc).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "retrieval/document_index.h"

namespace kvlink::retrieval {

// Measured over 1,270 questions (docs/quality.md, What is put into the prompt).
struct PassageChoice {
  int most = 3;              // passages, at most
  double least_share = 0.4;  // a passage scores at least so much of what the best one scores
};

// `hits`: best first. Returns indices into it in prompt order: the best stands last, nearest to the
// question. A passage that says nothing which a better one does not say, word for word, is left
// out.
std::vector<size_t> ChoosePassages(std::span<const SearchHit> hits, const PassageChoice& choice);

}  // namespace kvlink::retrieval
