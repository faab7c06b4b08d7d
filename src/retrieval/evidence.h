// What of the passages supports an answer: the sentence, where one can be found, and how much of
// the answer stands in them at all. Words are compared as a search does (retrieval/search_words.h).
// Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "kvlink/documents.h"

namespace kvlink::retrieval {

struct Passage {
  std::string_view title;
  std::string_view text;
};

// None where no sentence has three quarters of the answer's words and a fifth of the question's: of
// a plain yes or no always (docs/quality.md, The sentence that supports an answer).
std::optional<Evidence> FindEvidence(std::string_view question, std::string_view answer,
                                     std::span<const Passage> passages);

// 0..1: the largest share of the question's words, weighed as in Evidence, that a sentence with the
// answer has: with three quarters of its words, or any sentence for an answer that has none but the
// question's, or is a plain yes or no. 0: no sentence has the answer.
double SentenceSupport(std::string_view question, std::string_view answer,
                       std::span<const Passage> passages);

// 0..1: the share of the answer's words that stand in some passage. 1 for an answer that has no
// words but those of the question, or is a plain yes or no.
double ShareInPassages(std::string_view question, std::string_view answer,
                       std::span<const Passage> passages);

}  // namespace kvlink::retrieval
