// That a run does not write over what it reads. Not here: the run's folder (run_folder.h).
#pragma once

#include <string>

#include "kvlink/status.h"
#include "train/options.h"

namespace kvlink::train {

// kInvalidArgument: --out or --out-model is the other, or a file that an option names to be read;
// both flags are named. Looks at links and folders, not only at names.
Status CheckOutputs(const TrainOptions& options);

// The same for one file; `what` says in the message what it is.
Status CheckNotOutput(const TrainOptions& options, const std::string& what,
                      const std::string& path);

}  // namespace kvlink::train
