// What the documents say for an answer. Pure. Not here: how evidence is found
// (retrieval/evidence.h, retrieval/grounding.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kvlink/library.h"

namespace kvlink::library {

// documents: what was asked over, in the answer's order; those that were dropped say nothing.
// coverage: the best of the hits' (SearchHit); none where no search's words found the documents,
// and nothing tells then whether they could hold the answer.
AnswerSupport SupportOf(const std::string& question, const Answer& answer,
                        const std::vector<IndexedDocument>& documents,
                        std::optional<double> coverage);

}  // namespace kvlink::library
