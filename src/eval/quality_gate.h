// The quality gate: a fixed, small evaluation that says how much of full attention's answers these
// links keep, and whether that is enough. Its result goes into the link file (link/gate.h), where
// every answer looks for it.
#pragma once

#include <string>
#include <vector>

#include "eval/evaluation.h"
#include "eval/summary.h"
#include "kvlink/engine.h"

namespace kvlink {

// What must be kept, at least, on every data set asked: of what documents are worth in the gold
// answer's loss, and of the better of full attention's two F1 scores (with the links' adapter and
// without).
inline constexpr double kGateRecovered = 0.95;
inline constexpr double kGateF1 = 0.95;
inline constexpr int32_t kGateMaxTokens = 32;

struct GateResult {
  bool passed = false;
  std::string summary;  // one line for people
  std::string figures;  // JSON object for the record
  std::string data;     // hex: SHA-256 of the questions asked
  Report evaluation;
};

// Asks the built-in questions, and `own` (the user's, may be empty) beside them, by the methods
// none, full, full+adapter and link. options.links_path must be given.
Result<GateResult> MeasureGate(const EngineOptions& options, std::vector<Example> own,
                               const EvaluationProgress& progress);

}  // namespace kvlink
