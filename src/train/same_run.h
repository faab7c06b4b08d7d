// Whether processes that train together stand at the same place of the same run. Each opens its own
// folder and resumes its own checkpoint; sums of gradients would hide that they differ. Private to
// the room (Torch).
#pragma once

#include <torch/types.h>

#include <string_view>

#include "kvlink/status.h"
#include "train/process_group.h"

namespace kvlink::train {

// What must be the same in every process before the first step.
struct RunPlace {
  uint64_t description = 0;  // hash of run_description.h's JSON
  int64_t step = 0, adam_steps = 0;
  uint64_t values = 0;  // hash of the parameters
};

// values: [P] f32
RunPlace PlaceOf(std::string_view description, int64_t step, int64_t adam_steps,
                 const at::Tensor& values);

// Every process calls it, with what came of opening its own run, and all fail or none does: a
// process that went on alone would wait for the others. kFailedPrecondition: another process could
// not open its run, or stands elsewhere; one that failed itself gets its own error back.
Status CheckAllAgree(ProcessGroup* group, const Status& opened, const RunPlace& mine);

}  // namespace kvlink::train
