// Where a link file comes from, for people who find it: metadata field "provenance" of
// docs/link-file.md. Pure. No machine's paths: files are named by their last part and their hash.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "train/options.h"
#include "train/training_data.h"

namespace kvlink {

// What came of a run, as far as it has gone.
struct RunOutcome {
  int64_t steps = 0, examples = 0, skipped = 0;
  double loss = 0;  // nats a token, as TrainSummary::loss
  // Of the best validation, whose parameters the file holds; < 0: not measured.
  double valid_loss = -1;
  int64_t best_step = 0;  // its step
};

// A JSON object. `compute`: what the frozen matrices were multiplied in.
std::string ProvenanceJson(const TrainOptions& options, std::string_view compute,
                           std::span<const DataFile> data, const RunOutcome& outcome);

}  // namespace kvlink
