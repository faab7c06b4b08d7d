// An evaluation: the same questions, documents and order for every method, each asked through the
// public interface (Engine::Ask), so that what is measured is what is served. Not here: what the
// methods do (docs/methods.md), the table and the picture (eval/report.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/example.h"
#include "eval/prediction.h"
#include "kvlink/engine.h"

namespace kvlink::eval {

// Where the gold document of a question stands among its documents.
enum class GoldPosition {
  kShuffled,  // all documents in an order drawn from the seed
  kCycled,    // question i's at position i modulo the number of documents; the rest in drawn order
  kEvery,     // each question once for every position ("lost in the middle"), averaged
};

struct EvaluationOptions {
  EngineOptions engine;          // with the link file that "link" and the rest use
  std::string block_links_path;  // the link file of method "block" (K = 0, with an adapter)
  std::vector<std::string> methods;
  int64_t limit = 0;          // examples a data set; 0: all
  int32_t max_documents = 0;  // at most so many an example, gold ones first; 0: what the set has
  GoldPosition gold_position = GoldPosition::kShuffled;
  uint64_t seed = 1;         // of the documents' order
  int32_t max_tokens = 200;  // of an answer; 0: only the gold answer's loss
  int64_t piece_words = 75;  // summaries: an article is cut into documents of about so many words

  bool asks_block() const;  // whether method block, whose link file is its own, is one of methods
};

// Examples ready to be asked: limited, cut, in their documents' order. Pure.
std::vector<data::Example> ArrangeExamples(std::vector<data::Example> examples,
                                           const EvaluationOptions& options);

// Where a run stands: `done` of `total` pairs of question and method, and what is asked now.
// Returning false stops it (kCancelled); what was done is in the log.
using EvaluationProgress =
    std::function<bool(int64_t done, int64_t total, std::string_view dataset)>;

// The engine of an evaluation: the user's model and links, and blocks in memory alone.
Result<std::unique_ptr<Engine>> OpenForEvaluation(EngineOptions options);

// kInvalidArgument: no example, no method, an example that cannot be asked or told apart, method
// block without its link file.
Status CheckEvaluation(const EvaluationOptions& options,
                       const std::vector<data::Example>& examples);

// Asks every question by every method that the log does not have yet, question by question, so that
// times of methods compare under the same conditions. Where a document's block had to be made, the
// question is asked again for its time: making blocks is not part of a time to first token.
// A question for which the model's context or the memory is too small by some method is left out,
// and why goes to `left_out`, a line each; where that is null, or nothing is left, it is an error.
// `engine` is OpenForEvaluation's, of options.engine; method block has one of its own beside it.
// kInvalidArgument: as CheckEvaluation, and a method that is not known.
Status Evaluate(Engine& engine, const EvaluationOptions& options,
                const std::vector<data::Example>& examples, const EvaluationProgress& progress,
                PredictionLog* log, std::vector<std::string>* left_out = nullptr);

}  // namespace kvlink::eval
