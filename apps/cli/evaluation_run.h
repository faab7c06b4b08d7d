// What `eval` and `check --quality` share: an evaluation with its progress bar, and its folder.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/json_output.h"
#include "cli/session.h"
#include "data/readers.h"
#include "eval/evaluation.h"
#include "eval/summary.h"

namespace kvlink::cli {

// What --gold-position may be.
const std::map<std::string, eval::GoldPosition>& GoldPositions();

// The examples of all files, in their order.
Result<std::vector<data::Example>> ReadQuestions(const std::vector<std::string>& files,
                                                 const data::ReadExamplesOptions& reading);

// What decides an evaluation's numbers, but for the methods (block's own links, where it is one of
// them): a folder holds one evaluation.
Result<Json> DescribeEvaluation(const eval::EvaluationOptions& options,
                                const std::vector<std::string>& files);

// FOLDER/predictions.jsonl of the evaluation that FOLDER/run.json describes; an empty folder name
// keeps predictions in memory. kFailedPrecondition: the folder holds another evaluation.
Result<eval::PredictionLog> OpenEvaluationLog(const std::string& folder, const Json& description);

// The progress bar of an evaluation, and its end at Ctrl-C. One evaluation, one
// thread.
class EvaluationBar {
 public:
  explicit EvaluationBar(Session& session);
  // Of `done` pairs of question and method, `fresh` took time in this run. False: stop.
  bool Draw(int64_t done, int64_t total, int64_t fresh, std::string_view dataset);

 private:
  ProgressBar bar_;
  double start_ms_;
};

Status EvaluateWithProgress(Engine& engine, const eval::EvaluationOptions& options,
                            const std::vector<data::Example>& examples, Session& session,
                            eval::PredictionLog* log, std::vector<std::string>* left_out);

Json ReportToJson(const eval::EvaluationOptions& options, const eval::Report& report);

}  // namespace kvlink::cli
