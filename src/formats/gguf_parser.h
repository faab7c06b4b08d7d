// The parsing half of the GGUF reader: bytes to metadata and tensor places, believing nothing.
// Not here: files and typed look-ups (formats/gguf.h).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "kvlink/status.h"

namespace kvlink::formats {

struct GgufContents {
  uint32_t version = 0;
  std::map<std::string, GgufScalar, std::less<>> scalars;
  std::map<std::string, GgufArray, std::less<>> arrays;
  std::map<std::string, uint64_t, std::less<>> value_offsets;  // of each key's value in the file
  std::vector<TensorInfo> tensors;                             // `data` points into `bytes`
  std::map<std::string, size_t, std::less<>> tensor_index;
};

// Pure. `path` is for messages only. Errors: kInvalidArgument (not GGUF; says what it looks like),
// kUnsupported (v1, big-endian, newer than v3, a tensor type that is not decoded), kDataLoss
// (truncated or contradicting itself; names field and offset).
Result<GgufContents> ParseGguf(std::string_view path, std::span<const std::byte> bytes);

}  // namespace kvlink::formats
