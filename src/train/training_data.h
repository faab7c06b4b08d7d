// The examples of a run: those of the files or of the mixture, and those to validate on. Not here:
// their order (example_order.h) and their prompts (example_prompt.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "data/example.h"
#include "kvlink/status.h"
#include "train/mixture.h"
#include "train/options.h"

namespace kvlink::train {

struct TrainingPart {
  PartKind kind = PartKind::kByExample;
  double weight = 1;
  int64_t piece_words = 0;  // MixturePart's
  std::vector<data::Example> examples;
};

struct DataFile {
  std::string path;
  Sha256Digest hash{};  // of its bytes
  int64_t examples = 0;
  bool validation = false;
};

struct TrainingData {
  std::vector<TrainingPart> train;  // one, or a mixture's
  TrainingPart valid;               // may have no examples
  std::vector<DataFile> files;      // all that were read, training files first
};

// Plain texts are cut into pieces of at most this many words, an example each.
inline constexpr int64_t kTextWords = 300;

// kInvalidArgument: neither files nor a mixture, or both; what the readers refuse; an example that
// its part's kind does not fit (file and line named).
Result<TrainingData> ReadTrainingData(FileSystem& files, const TrainOptions& options);

}  // namespace kvlink::train
