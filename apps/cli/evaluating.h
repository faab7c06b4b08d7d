// What `eval` and `check --quality` share: an evaluation with its progress bar, and its folder.
#pragma once

#include <string>
#include <vector>

#include "cli/json_output.h"
#include "cli/session.h"
#include "eval/evaluation.h"
#include "eval/summary.h"

namespace kvlink::cli {

// What decides an evaluation's numbers, but for the methods: a folder holds one evaluation.
Result<Json> DescribeEvaluation(const EvaluationOptions& options,
                                const std::vector<std::string>& files);

// FOLDER/predictions.jsonl of the evaluation that FOLDER/run.json describes; an empty folder name
// keeps predictions in memory. kFailedPrecondition: the folder holds another evaluation.
Result<PredictionLog> OpenEvaluationLog(const std::string& folder, const Json& description);

Status EvaluateWithProgress(const EvaluationOptions& options, const std::vector<Example>& examples,
                            Session& session, PredictionLog* log,
                            std::vector<std::string>* left_out = nullptr);

Json ReportToJson(const EvaluationOptions& options, const Report& report);

}  // namespace kvlink::cli
