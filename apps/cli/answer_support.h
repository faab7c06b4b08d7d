// What the documents say for an answer, as people and programs are told it. Not here: how it is
// found (library/answer_support.h).
#pragma once

#include <string>
#include <vector>

#include "cli/json_output.h"
#include "kvlink/library.h"

namespace kvlink::cli {

// For people; empty where there is nothing to warn of.
std::string NotFoundWarning(const AnswerSupport& support);

// The fields `evidence` and `grounded` (docs/json.md).
void AddSupport(const AnswerSupport& support, const std::vector<IndexedDocument>& documents,
                Json* json);

}  // namespace kvlink::cli
