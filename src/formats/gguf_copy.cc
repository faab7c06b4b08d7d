#include "formats/gguf_copy.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bytes.h"

namespace kvlink::formats {
namespace {

constexpr uint64_t kCounts = 8;  // where the two counts stand, behind magic and version
constexpr uint64_t kKeys = 24;   // where the keys begin
constexpr uint32_t kAllF32 = 0;  // values of general.file_type
constexpr uint32_t kMostlyBf16 = 32;

GgmlType TypeOf(const TensorInfo& tensor, DType dtype) {
  return tensor.shape.size() > 1 && dtype == DType::kBF16 ? GgmlType::kBF16 : GgmlType::kF32;
}

void PadTo(std::string* bytes, uint64_t alignment) {
  bytes->append((alignment - bytes->size() % alignment) % alignment, '\0');
}

// How many bytes a tensor takes, padding included.
uint64_t BytesOf(const TensorInfo& tensor, DType dtype, uint64_t alignment) {
  const int64_t size = TypeOf(tensor, dtype) == GgmlType::kBF16 ? 2 : 4;
  return static_cast<uint64_t>(RoundUp(tensor.elements() * size, static_cast<int64_t>(alignment)));
}

// Says in the copied keys what the tensors are now, where the source says it as a number of 32
// bits, which is how GGUF has it.
void SetFileType(const GgufFile& source, DType dtype, std::string* keys) {
  constexpr uint32_t kU32 = 4, kI32 = 5;  // GGUF's value types; the type stands before the value
  const uint64_t value = source.ValueOffset("general.file_type");
  uint32_t type = 0;
  if (value < kKeys + sizeof(type) || value + sizeof(type) > keys->size()) return;
  std::memcpy(&type, keys->data() + value - sizeof(type), sizeof(type));
  if (type != kU32 && type != kI32) return;
  const uint32_t kept = dtype == DType::kBF16 ? kMostlyBf16 : kAllF32;
  std::memcpy(keys->data() + value, &kept, sizeof(kept));
}

// Magic to the last tensor's entry. The keys are the source's bytes.
std::string Header(const GgufFile& source, DType dtype, uint64_t alignment) {
  const std::string_view bytes = AsText(source.bytes());
  uint64_t end_of_keys = bytes.size();
  for (const TensorInfo& t : source.tensors()) {
    end_of_keys = std::min<uint64_t>(end_of_keys, t.header_offset);
  }
  std::string out(bytes.substr(0, end_of_keys));
  const uint64_t tensors = source.tensors().size();
  std::memcpy(out.data() + kCounts, &tensors, sizeof(tensors));
  SetFileType(source, dtype, &out);
  uint64_t offset = 0;
  for (const TensorInfo& t : source.tensors()) {
    AppendValue(&out, static_cast<uint64_t>(t.name.size()));
    out += t.name;
    AppendValue(&out, static_cast<uint32_t>(t.shape.size()));
    // GGUF names the fastest dimension first.
    for (auto size = t.shape.rbegin(); size != t.shape.rend(); ++size) {
      AppendValue(&out, static_cast<uint64_t>(*size));
    }
    AppendValue(&out, static_cast<uint32_t>(TypeOf(t, dtype)));
    AppendValue(&out, offset);
    offset += BytesOf(t, dtype, alignment);
  }
  PadTo(&out, alignment);
  return out;
}

}  // namespace

Status WriteGgufCopy(FileSystem& files, const GgufFile& source, const std::string& path,
                     DType dtype,
                     const std::function<std::vector<float>(const TensorInfo&)>& values) {
  const uint64_t alignment = static_cast<uint64_t>([&]() -> int64_t {
    const Result<int64_t> given = source.GetInt("general.alignment");
    return given.ok() ? *given : 32;
  }());
  std::string out = Header(source, dtype, alignment);
  // Grown step by step, the string would take twice the model for a moment.
  uint64_t bytes = out.size();
  for (const TensorInfo& t : source.tensors()) bytes += BytesOf(t, dtype, alignment);
  out.reserve(bytes);
  for (const TensorInfo& t : source.tensors()) {
    const std::vector<float> numbers = values(t);
    if (static_cast<int64_t>(numbers.size()) != t.elements()) {
      return InvalidArgument(path + ": tensor " + t.name + " has " + std::to_string(t.elements()) +
                             " numbers, " + std::to_string(numbers.size()) + " were given");
    }
    const bool narrow = TypeOf(t, dtype) == GgmlType::kBF16;
    for (const float number : numbers) {
      const float kept = narrow ? FromBf16(ToBf16(number)) : number;
      if (!std::isfinite(kept)) {
        return InvalidArgument(path + ": tensor " + t.name +
                               " has a number that is not finite; nothing was written");
      }
      if (narrow) {
        AppendValue(&out, ToBf16(number));
      } else {
        AppendValue(&out, number);
      }
    }
    PadTo(&out, alignment);
  }
  KVLINK_RETURN_IF_ERROR(source.CheckUnchanged());
  return WriteWholeFile(files, path, out);
}

}  // namespace kvlink::formats
