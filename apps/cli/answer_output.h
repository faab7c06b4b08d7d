// An answer as JSON, as the plan that --explain prints, and as the tables that people see.
#pragma once

#include <string>
#include <vector>

#include "cli/json_output.h"
#include "cli/terminal.h"
#include "kvlink/engine.h"
#include "retrieval/document_index.h"
#include "text/tokenizer.h"

namespace kvlink::cli {

// documents: what was asked over, in the answer's order. logprobs: of the generated tokens.
Json AnswerToJson(const Answer& answer, const std::vector<IndexedDocument>& documents,
                  const ModelSummary& model, const std::vector<std::string>& warnings,
                  bool logprobs);

// Whether --max-tokens ended it, and not the model.
bool IsCut(const Answer& answer);

// A line a token: position, id, segment, source, computed or reused, the token's text.
std::string ExplainPrompt(const Answer& answer, const text::Tokenizer& tokenizer, int width);

// The documents used and what the answer cost, on standard error.
void ShowAnswer(const Answer& answer, const std::vector<IndexedDocument>& documents,
                Console& console);

// Both answers, the documents, and what each way cost; no table is wider than `width` (0: no
// limit). adapter: full attention ran with the links' adapter, as linking does. sources: with the
// places of the documents.
std::string DescribeComparison(const Answer& full, const Answer& linked, bool adapter, bool sources,
                               const std::vector<IndexedDocument>& documents, int width);

}  // namespace kvlink::cli
