// Where a link file comes from, for people who find it: metadata field "provenance" of
// docs/link-file.md. Pure. No machine's paths: files are named by their last part and their hash.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "train/options.h"
#include "train/trainer.h"
#include "train/training_data.h"

namespace kvlink::train {

// A JSON object. `compute`: what the frozen matrices were multiplied in. `outcome`: as far as the
// run has gone; its `seconds` are left out, so that the same run writes the same bytes.
std::string ProvenanceJson(const TrainOptions& options, std::string_view compute,
                           std::span<const DataFile> data, const TrainSummary& outcome);

}  // namespace kvlink::train
