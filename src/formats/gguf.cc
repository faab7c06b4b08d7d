// Opening a GGUF file and looking things up in it. Not here: the parsing (formats/gguf_parser.h).
#include "formats/gguf.h"

#include <limits>
#include <numeric>

#include "base/quote.h"
#include "formats/gguf_parser.h"

namespace kvlink::formats {
namespace {

struct TypeNamer {
  std::string operator()(bool) const { return "a bool"; }
  std::string operator()(int64_t) const { return "an integer"; }
  std::string operator()(uint64_t) const { return "an integer"; }
  std::string operator()(double) const { return "a float"; }
  std::string operator()(const std::string&) const { return "a string"; }
  std::string operator()(const std::vector<bool>&) const { return "an array of bools"; }
  std::string operator()(const std::vector<int64_t>&) const { return "an array of integers"; }
  std::string operator()(const std::vector<uint64_t>&) const { return "an array of integers"; }
  std::string operator()(const std::vector<double>&) const { return "an array of floats"; }
  std::string operator()(const std::vector<std::string>&) const { return "an array of strings"; }
};

Status OutOfRange(const GgufFile& file, std::string_view key, uint64_t value) {
  return InvalidArgument(file.path() + ": key " + Quoted(key) + " at offset " +
                         std::to_string(file.ValueOffset(key)) + " is " + std::to_string(value) +
                         ", which is out of range");
}

// Why a look-up of `key` as `expected` found nothing.
Status Missing(const GgufFile& file, std::string_view key, const std::string& expected) {
  std::string found;
  if (const auto scalar = file.scalars().find(key); scalar != file.scalars().end()) {
    found = std::visit(TypeNamer(), scalar->second);
  } else if (const auto array = file.arrays().find(key); array != file.arrays().end()) {
    found = std::visit(TypeNamer(), array->second);
  } else {
    return NotFound(file.path() + ": key " + Quoted(key) + " is not in the file; expected " +
                    expected);
  }
  return InvalidArgument(file.path() + ": key " + Quoted(key) + " at offset " +
                         std::to_string(file.ValueOffset(key)) + " is " + found + "; expected " +
                         expected);
}

template <class T, class Map>
const T* FindAs(const Map& map, std::string_view key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : std::get_if<T>(&found->second);
}

}  // namespace

int64_t TensorInfo::elements() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

Result<std::unique_ptr<GgufFile>> GgufFile::Open(FileSystem& files, const std::string& path) {
  auto gguf = std::make_unique<GgufFile>();
  gguf->path_ = path;
  KVLINK_ASSIGN_OR_RETURN(gguf->file_, files.Map(path));
  Result<GgufContents> parsed = ParseGguf(path, gguf->file_->bytes());
  if (gguf->file_->damaged()) return gguf->CheckUnchanged();  // zeros were read
  if (!parsed.ok()) return parsed.status();
  GgufContents& contents = *parsed;
  gguf->version_ = contents.version;
  gguf->scalars_ = std::move(contents.scalars);
  gguf->arrays_ = std::move(contents.arrays);
  gguf->value_offsets_ = std::move(contents.value_offsets);
  gguf->tensors_ = std::move(contents.tensors);
  gguf->tensor_index_ = std::move(contents.tensor_index);
  return gguf;
}

Status GgufFile::CheckUnchanged() const {
  const Status unchanged = file_->CheckUnchanged();
  if (unchanged.ok()) return {};
  return Status(unchanged.code(),
                "model " + unchanged.message() + ": leave the file alone until it is done");
}

const TensorInfo* GgufFile::FindTensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

uint64_t GgufFile::ValueOffset(std::string_view key) const {
  const auto found = value_offsets_.find(key);
  return found == value_offsets_.end() ? 0 : found->second;
}

Result<std::string> GgufFile::GetString(std::string_view key) const {
  if (const auto* value = FindAs<std::string>(scalars_, key)) return *value;
  return Missing(*this, key, "a string");
}

Result<int64_t> GgufFile::GetInt(std::string_view key) const {
  if (const auto* value = FindAs<int64_t>(scalars_, key)) return *value;
  if (const auto* value = FindAs<uint64_t>(scalars_, key)) {
    if (*value > std::numeric_limits<int64_t>::max()) return OutOfRange(*this, key, *value);
    return static_cast<int64_t>(*value);
  }
  return Missing(*this, key, "an integer");
}

Result<double> GgufFile::GetFloat(std::string_view key) const {
  if (const auto* value = FindAs<double>(scalars_, key)) return *value;
  if (const auto* value = FindAs<int64_t>(scalars_, key)) return static_cast<double>(*value);
  if (const auto* value = FindAs<uint64_t>(scalars_, key)) return static_cast<double>(*value);
  return Missing(*this, key, "a number");
}

Result<bool> GgufFile::GetBool(std::string_view key) const {
  if (const auto* value = FindAs<bool>(scalars_, key)) return *value;
  return Missing(*this, key, "a bool");
}

Result<std::vector<std::string>> GgufFile::GetStrings(std::string_view key) const {
  if (const auto* values = FindAs<std::vector<std::string>>(arrays_, key)) return *values;
  return Missing(*this, key, "an array of strings");
}

Result<std::vector<int64_t>> GgufFile::GetInts(std::string_view key) const {
  if (const auto* values = FindAs<std::vector<int64_t>>(arrays_, key)) return *values;
  if (const auto* values = FindAs<std::vector<uint64_t>>(arrays_, key)) {
    std::vector<int64_t> result;
    result.reserve(values->size());
    for (const uint64_t value : *values) {
      if (value > std::numeric_limits<int64_t>::max()) return OutOfRange(*this, key, value);
      result.push_back(static_cast<int64_t>(value));
    }
    return result;
  }
  return Missing(*this, key, "an array of integers");
}

}  // namespace kvlink::formats
