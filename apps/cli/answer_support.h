// What the documents say for an answer, as people and programs are told it. Not here: how it is
// found (retrieval/evidence.h, retrieval/grounding.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/json_output.h"
#include "kvlink/engine.h"
#include "retrieval/document_index.h"
#include "retrieval/evidence.h"
#include "retrieval/grounding.h"

namespace kvlink::cli {

struct AnswerSupport {
  std::optional<Evidence> evidence;    // its passage: an index into the documents asked over
  std::optional<Grounding> grounding;  // none: not judged
};

// documents: what was asked over, in the answer's order; those that were dropped say nothing.
// coverage: the best of the hits' (SearchHit); none where no search's words found the documents,
// and nothing tells then whether they could hold the answer.
AnswerSupport SupportOf(const std::string& question, const Answer& answer,
                        const std::vector<IndexedDocument>& documents,
                        std::optional<double> coverage);

// For people; empty where there is nothing to warn of.
std::string NotFoundWarning(const AnswerSupport& support);

// The fields `evidence` and `grounded` (docs/json.md).
void AddSupport(const AnswerSupport& support, const std::vector<IndexedDocument>& documents,
                Json* json);

}  // namespace kvlink::cli
