// What a run needs to go on exactly: parameters, the optimiser's state, and how far it came. One
// file, written whole beside the last one and renamed over it (docs/training.md has its grammar).
// No Torch here: numbers are plain floats.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "kvlink/status.h"

namespace kvlink::train {

inline constexpr uint32_t kCheckpointVersion = 1;

// The run's counters. Order of data and learning rates follow from `step` and the options; nothing
// else in a run is random.
struct CheckpointCounters {
  int64_t step = 0;             // steps done
  int64_t adam_steps = 0;       // of them, those that changed parameters
  int64_t examples = 0;         // trained on
  int64_t skipped = 0;          // did not fit
  int64_t best_step = 0;        // of the best validation; 0: none yet
  double best_loss = 0;         // its loss
  double valid_loss = -1;       // the last validation's; < 0: none yet
  int64_t validations_ago = 0;  // validations since the best

  bool operator==(const CheckpointCounters&) const = default;
};

// What is written; looks at memory that others own.
struct CheckpointView {
  CheckpointCounters counters;
  std::string_view description;   // run_description.h's JSON
  std::span<const float> values;  // [P]
  std::span<const float> first;   // [P] AdamW's moments
  std::span<const float> second;  // [P]
  std::span<const float> best;    // [P] values of the best validation; empty: none yet
};

struct Checkpoint {
  CheckpointCounters counters;
  std::string description;
  std::vector<float> values, first, second, best;
};

// Durable on return, or the file is as it was.
Status SaveCheckpoint(FileSystem& files, const std::string& path, const CheckpointView& view);

// kDataLoss: a damaged or truncated file, no checkpoint at all; kFailedPrecondition: a newer
// version.
Result<Checkpoint> LoadCheckpoint(FileSystem& files, const std::string& path);

}  // namespace kvlink::train
