// The mean of trained link files. Runs on the same base that differ in order, rank or options err
// in different ways, and their mean errs less (model soups: Wortsman et al., arXiv 2203.05482). No
// Torch type here, so that programs do not compile its headers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"
#include "kvlink/status.h"

namespace kvlink::train {

struct AverageOptions {
  std::string model;               // GGUF file: what the links were trained on
  std::vector<std::string> links;  // files of the same K, slots, template and scope
  int32_t rank = 16;               // most that the mean's adapter may have
  std::string out;
  DType out_dtype = DType::kBF16;
};

struct AverageSummary {
  int32_t rank = 0;  // of the adapter that was written; 0: none
  double kept = 1;   // share of the mean adapter's squares that this rank holds
};

// Writes the mean of link embeddings and of what the adapters add to each matrix, which is a sum of
// their ranks; where that is more than `rank`, the nearest of that rank (Eckart, Young 1936). A
// matrix that an adapter leaves alone counts as zero. Errors: GgufFile::Open's, LoadLinks' and
// SaveLinks'; kInvalidArgument where files differ in what they are or name no base, link tokens are
// ids of the vocabulary, `out` is one of the files read, or there is none to read; kInternal where
// Torch fails.
Result<AverageSummary> AverageLinks(const AverageOptions& options,
                                    FileSystem& files = FileSystem::Posix());

}  // namespace kvlink::train
