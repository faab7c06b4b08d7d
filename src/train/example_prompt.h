// From an example to its prompt, as the kind of its part says: arranges documents, then renders.
// Pure. Not here: prompts over documents (training_prompt.h), reading (training_data.h).
#pragma once

#include <cstdint>

#include "data/example.h"
#include "kvlink/status.h"
#include "train/options.h"
#include "train/training_data.h"
#include "train/training_prompt.h"

namespace kvlink::train {

// What an example is asked as in its `pass`-th pass (which decides the order of documents).
data::Example Arranged(data::Example example, const TrainingPart& part, const TrainOptions& options,
                       int64_t pass);

// Of options.methods the one that an example draws in its `pass`-th pass.
const Method& DrawnMethod(const TrainOptions& options, const data::Example& example, int64_t pass);

// The prompt of an arranged example. kResourceExhausted: longer than max_tokens. A plain text is
// cut at max_tokens; kInvalidArgument if nothing of it can be predicted.
Result<TrainingPrompt> MakeExamplePrompt(const link::LinkableModel& model,
                                         const data::Example& example, PartKind kind, bool full,
                                         model::AdapterScope scope, const Method& method,
                                         int64_t max_tokens);

// kInvalidArgument, with file, line and field, for the first example whose answer alone does not
// fit into max_tokens.
Status CheckAnswers(const link::LinkableModel& model, const TrainingPart& part, int64_t max_tokens);

}  // namespace kvlink::train
