// What decides a run's result: options, base model, data. It stands in the checkpoint, and a run
// goes on only under the same. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/hash.h"
#include "kvlink/status.h"
#include "text/template.h"
#include "train/options.h"
#include "train/training_data.h"

namespace kvlink::train {

// A JSON object of one line. `prompts`: the template that examples are rendered by. `compute`: what
// the frozen matrices are multiplied in ("bf16", "f32"), for --dtype auto means another thing on
// another machine.
std::string DescribeRun(const TrainOptions& options, const Sha256Digest& model,
                        std::string_view compute, const text::PromptTemplate& prompts,
                        const TrainingData& data);

// kFailedPrecondition, naming the first thing that differs, what it was and what it is.
Status CheckSameRun(std::string_view before, std::string_view now);

}  // namespace kvlink::train
