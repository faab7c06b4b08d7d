// The quality gate: a fixed, small evaluation that says how much of full attention's answers these
// links keep, and whether that is enough. Its result goes into the link file (links/gate.h), where
// every answer looks for it. Not here: recording it (apps/cli/check_quality.cc).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/evaluation.h"
#include "eval/summary.h"
#include "kvlink/engine.h"

namespace kvlink::eval {

// What must be kept, at least, on every data set asked: of what documents are worth in the gold
// answer's loss, and of the better of full attention's two F1 scores (with the links' adapter and
// without).
inline constexpr double kGateRecovered = 0.95;
inline constexpr double kGateF1 = 0.95;
// Fewer questions of a set say too little to pass, or to be recorded.
inline constexpr int64_t kGateQuestions = 30;
inline constexpr int32_t kGateMaxTokens = 32;

struct GateOptions {
  EngineOptions engine;  // without a link file, K = 0 and nothing trained is measured
  int64_t limit = 0;     // questions of each data set, the first ones; 0: all
  // If there is no limit: so many of each data set, evenly chosen; 0: all.
  int64_t sample = 0;
};

// What is asked unless more are wanted: three minutes on two cores, and enough to be recorded.
inline constexpr int64_t kGateSample = kGateQuestions;

// Of a report, what the gate says about method link.
struct GateVerdict {
  bool passed = false;
  std::string summary;    // one line: what was measured
  std::string shortfall;  // one line: where it fell short of what; empty: it passed
  std::string too_few;    // one line: the sets of too few questions; empty: it may be recorded
  std::string figures;    // a JSON object: the same in numbers, with intervals and limits
};

struct GateResult {
  GateVerdict verdict;
  std::string model;  // hex: fingerprint of the base
  std::string links;  // hex: ModelSummary::links_content; empty: no link file
  std::string data;   // hex: SHA-256 of the questions asked
  int64_t asked = 0;  // questions
  int64_t of = 0;     // that there are
  EvaluationOptions evaluation;
  Report report;
};

// Pure. The report must hold none, full and link on each data set, may hold full+adapter, and holds
// no means over data sets: each set has to pass. A set falls short, too, where nothing can be
// measured: documents do not help even full attention, or not surely enough for an interval; full
// attention scores 0; or fewer than kGateQuestions were asked.
GateVerdict JudgeGate(const Report& report);

// At most `n` of each data set: the first, and from then on as evenly as can be. Pure.
std::vector<data::Example> EvenSample(std::vector<data::Example> examples, int64_t n);

// Asks the built-in questions, and `own` (the user's, may be empty) beside them, by the methods
// none, full, full+adapter (if the links have an adapter) and link. Data sets of `own` are called
// "own NAME", so that none is taken for a built-in one.
// kInvalidArgument: an own example without a question, documents or an answer, named.
Result<GateResult> MeasureGate(const GateOptions& options, std::vector<data::Example> own,
                               const EvaluationProgress& progress);

// How many of the built-in questions a gate's figures (GateVerdict::figures) speak of; 0: unknown.
int64_t QuestionsOf(std::string_view figures);

}  // namespace kvlink::eval
