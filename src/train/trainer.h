// Training link tokens and adapter on a frozen base model (docs/method.md, section 6): the loop. No
// Torch type here, so that programs do not compile its headers.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/log.h"
#include "kvlink/status.h"
#include "train/options.h"
#include "train/run_folder.h"

namespace kvlink::train {

struct TrainStart {
  int64_t first_step = 0;  // steps done before: above 0 where a run is resumed
  int64_t steps = 0;       // in all
  int64_t examples = 0;    // of an epoch
  std::string run;         // the folder
};

struct TrainSummary {
  int64_t steps = 0;  // done, in all
  int64_t examples = 0, skipped = 0;
  double loss = 0;         // mean of the last tenth of the steps
  double valid_loss = -1;  // of the parameters that were written; < 0: not measured
  int64_t best_step = 0;   // the step they are from
  bool stopped_early = false;
  double seconds = 0;  // of this process
};

// Each may be empty.
struct TrainProgress {
  std::function<void(const TrainStart&)> start;
  std::function<void(const LoggedStep&)> step;
  std::function<void(const LoggedValidation&)> validation;
  std::function<bool()> stop;  // asked after each step: true ends the run behind a checkpoint
  Log log;
};

// Runs a training from its options to the link file. Errors: what the model's, the data's and the
// store's files say; kInvalidArgument for options that contradict each other, and for a loss or a
// gradient that is no finite number (the example is named, the last checkpoint stays);
// kFailedPrecondition for a run folder that is taken, or a resumed run whose options, data or model
// differ; kCancelled when `stop` said so. `files` holds the run's folder, its data and the link
// file; it outlives the call.
Result<TrainSummary> Train(const TrainOptions& options, const TrainProgress& progress,
                           FileSystem& files = FileSystem::Posix());

}  // namespace kvlink::train
