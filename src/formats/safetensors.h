// Reads and writes safetensors files (F32, F16, BF16): 8 bytes of header length, a JSON header, the
// tensors. Hostile headers give an error that names the field.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "kvlink/status.h"

namespace kvlink::formats {

struct SafeTensor {
  std::string dtype;                // "F32", "F16", "BF16", "I64", ...
  std::vector<int64_t> shape;       // slowest first
  std::span<const std::byte> data;  // in the mapping
  int64_t elements() const;
  std::vector<float> ToFloat() const;  // empty unless dtype is F32, F16 or BF16
};

// Immutable after Open, so thread-safe.
class SafetensorsFile {
 public:
  static Result<std::unique_ptr<SafetensorsFile>> Open(FileSystem& files, const std::string& path);
  std::span<const std::byte> bytes() const { return file_->bytes(); }  // the whole file
  const MappedFile& mapping() const { return *file_; }
  // kDataLoss: the file was cut or written to since it was opened, so that what was read of it may
  // be wrong. For whoever has read all it needs.
  Status CheckUnchanged() const { return file_->CheckUnchanged(); }
  const std::map<std::string, SafeTensor, std::less<>>& tensors() const { return tensors_; }
  const std::map<std::string, std::string, std::less<>>& metadata() const { return metadata_; }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, SafeTensor, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

struct SafeTensorToWrite {
  std::vector<int64_t> shape;
  std::vector<float> values;
  std::string dtype = "F32";  // F32 or BF16: rounded on writing
};

// F32 tensors in the order of their names, then BF16 ones; the data begin at a multiple of 8 and
// have no gaps (the format forbids them). Published by rename. kInvalidArgument: values that do not
// fill the shape, another dtype, a name or metadata that is not UTF-8.
Status WriteSafetensors(FileSystem& files, const std::string& path,
                        const std::map<std::string, SafeTensorToWrite>& tensors,
                        const std::map<std::string, std::string>& metadata);

}  // namespace kvlink::formats
