// Writes a model again with other numbers: the same metadata, names and shapes, tensors as F32 or
// BF16. What full fine-tuning ends with. Not here: other layouts than the source's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"
#include "formats/gguf.h"
#include "kvlink/status.h"

namespace kvlink::formats {

// `values` gives a tensor's numbers, [elements], slowest dimension first; it is called once for
// each of the source's tensors, in their order. Matrices are written as `dtype`, vectors as F32;
// the key general.file_type says so where the source has it. Published by rename.
// Errors: what the disk says; kInvalidArgument: numbers that do not fill a tensor or are not finite
// as `dtype`.
Status WriteGgufCopy(FileSystem& files, const GgufFile& source, const std::string& path,
                     DType dtype,
                     const std::function<std::vector<float>(const TensorInfo&)>& values);

}  // namespace kvlink::formats
