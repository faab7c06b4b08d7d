// Training link tokens and adapter on a frozen base model (kvlink.md, section 6): the loop. No
// Torch type here, so that programs do not compile its headers.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "kvlink/status.h"
#include "train/options.h"

namespace kvlink {

struct StepReport {
  int64_t step = 0, steps = 0;
  double loss = 0;     // nats a token, this step's examples
  double rate = 0;     // factor of the learning rates
  int64_t tokens = 0;  // answer tokens
  double seconds = 0;
};

struct TrainSummary {
  int64_t steps = 0, examples = 0, skipped = 0;
  double loss = 0;         // mean of the last tenth of the steps
  double valid_loss = -1;  // after the last step; < 0: not measured
  double seconds = 0;
};

struct TrainProgress {
  std::function<void(const StepReport&)> step;  // may be empty
  Log log;
};

// Runs a training from its options to the link file. Errors: what the model's, the data's and the
// store's files say; kInvalidArgument for options that contradict each other.
Result<TrainSummary> Train(const TrainOptions& options, const TrainProgress& progress);

}  // namespace kvlink
