// Writes GGUF bytes: whole files for the tiny models, and wrong ones for hostile tests. It checks
// nothing: what it is told is what it writes. Layout: docs/gguf-types.md and GGUF's specification.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ggml_type.h"

namespace kvlink::testing {

// GGUF's value types as they stand in a file.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// One owner, one thread.
class GgufWriter {
 public:
  // What a hostile file may lie about. Unset: the truth.
  uint32_t version = 3;
  std::string magic = "GGUF";
  std::optional<uint64_t> tensor_count;
  std::optional<uint64_t> key_count;
  uint64_t alignment = 32;  // used for laying out; written only if a key says so

  void String(std::string_view key, std::string_view value);
  void U32(std::string_view key, uint32_t value);
  void I32(std::string_view key, int32_t value);
  void U64(std::string_view key, uint64_t value);
  void F32(std::string_view key, float value);
  void Bool(std::string_view key, bool value);
  void Strings(std::string_view key, const std::vector<std::string>& values);
  void I32s(std::string_view key, const std::vector<int32_t>& values);
  // A value of any type, given as the bytes that follow its type.
  void Raw(std::string_view key, uint32_t type, std::string_view payload);
  void Remove(std::string_view key);

  // shape: slowest first, as everywhere in kvlink.
  void Tensor(std::string_view name, GgmlType type, const std::vector<int64_t>& shape,
              std::string_view data);
  void F32Tensor(std::string_view name, const std::vector<int64_t>& shape,
                 const std::vector<float>& values);
  // An entry with any sizes (fastest first, as in the file), type and offset, and no data.
  void RawTensor(std::string_view name, const std::vector<uint64_t>& sizes, uint32_t type,
                 uint64_t offset);
  void RemoveTensor(std::string_view name);

  std::string Build() const;
  size_t HeaderBytes() const;  // up to the padding before the data

 private:
  struct Key {
    std::string name;
    std::string bytes;  // type and value
  };
  struct Entry {
    std::string name;
    std::vector<uint64_t> sizes;
    uint32_t type;
    std::optional<uint64_t> offset;  // unset: where its data comes to lie
    std::string data;
  };
  std::string Header() const;

  std::vector<Key> keys_;
  std::vector<Entry> entries_;
};

// The tiny model (support/tiny_model.h) before it becomes bytes, for tests that change a part of
// it.
struct TinyModelOptions;
GgufWriter TinyModelWriter(const TinyModelOptions& options);

// Text as GGUF writes it: 8 bytes of length, the bytes.
std::string GgufText(std::string_view text);

}  // namespace kvlink::testing
