// Reads GGUF v2 and v3, memory-mapped: metadata and tensor places. A hostile file gives an error
// that names the field and its offset; nothing is allocated from a length before it is checked
// against the file's size. Not here: what the metadata means (model/config.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/ggml_type.h"
#include "kvlink/status.h"

namespace kvlink::formats {

struct TensorInfo {
  std::string name;
  GgmlType type = GgmlType::kF32;
  std::vector<int64_t> shape;       // slowest first: a matrix is [rows, columns]
  std::span<const std::byte> data;  // in the mapping
  uint64_t header_offset = 0;       // where the file describes it, for messages
  int64_t elements() const;
};

using GgufScalar = std::variant<bool, int64_t, uint64_t, double, std::string>;
using GgufArray = std::variant<std::vector<bool>, std::vector<int64_t>, std::vector<uint64_t>,
                               std::vector<double>, std::vector<std::string>>;

// Immutable after Open, so thread-safe.
class GgufFile {
 public:
  static Result<std::unique_ptr<GgufFile>> Open(FileSystem& files, const std::string& path);

  const std::string& path() const { return path_; }
  uint32_t version() const { return version_; }
  const TensorInfo* FindTensor(std::string_view name) const;  // nullptr: not there
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, GgufScalar, std::less<>>& scalars() const { return scalars_; }
  const std::map<std::string, GgufArray, std::less<>>& arrays() const { return arrays_; }
  uint64_t ValueOffset(std::string_view key) const;  // of a key's value in the file; 0: no such key

  // Says that most tensors have been read: the file's pages may leave memory.
  void Release() const { file_->Release(); }
  // kDataLoss: the file was cut or written to while it was in use, so that what was read of it last
  // may be wrong.
  Status CheckUnchanged() const;
  std::span<const std::byte> bytes() const { return file_->bytes(); }
  const MappedFile& mapping() const { return *file_; }

  // Typed look-ups. kNotFound: no such key; kInvalidArgument: another type, or out of range.
  Result<std::string> GetString(std::string_view key) const;
  Result<int64_t> GetInt(std::string_view key) const;   // any integer type
  Result<double> GetFloat(std::string_view key) const;  // any number
  Result<bool> GetBool(std::string_view key) const;
  Result<std::vector<std::string>> GetStrings(std::string_view key) const;
  Result<std::vector<int64_t>> GetInts(std::string_view key) const;

 private:
  std::string path_;
  uint32_t version_ = 0;
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, GgufScalar, std::less<>> scalars_;
  std::map<std::string, GgufArray, std::less<>> arrays_;
  std::map<std::string, uint64_t, std::less<>> value_offsets_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t, std::less<>> tensor_index_;
};

}  // namespace kvlink::formats
