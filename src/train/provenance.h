// Where a link file comes from, for people who find it: metadata field "provenance" of
// docs/link-file.md. Pure. No machine's paths: files are named by their last part and their hash.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/hash.h"
#include "train/options.h"

namespace kvlink {

struct DataProvenance {
  std::string path;
  Sha256Digest hash{};  // of the file's bytes
  int64_t examples = 0;
  bool validation = false;
};

// What came of a run, as far as it has gone.
struct RunOutcome {
  int64_t steps = 0, examples = 0, skipped = 0;
  double loss = 0;         // nats a token, as TrainSummary::loss
  double valid_loss = -1;  // < 0: not measured
};

// A JSON object. `compute`: what the frozen matrices were multiplied in.
std::string ProvenanceJson(const TrainOptions& options, std::string_view compute,
                           std::span<const DataProvenance> data, const RunOutcome& outcome);

}  // namespace kvlink
