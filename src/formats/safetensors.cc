// Safetensors: the header's JSON through nlohmann's event parser (exceptions off), straight into
// the few forms the format allows; nesting and duplicates stop it at once. Places are checked
// before any byte is handed out.
#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/bytes.h"
#include "base/dtype.h"
#include "base/quote.h"
#include "formats/file_kind.h"

namespace kvlink::formats {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 16ull << 20;
constexpr size_t kMaxTensors = 65536;
constexpr size_t kMaxDimensions = 8;
constexpr std::string_view kMetadata = "__metadata__";

// Integers are placed like all tensors; only what has a type can be read as floats.
struct DTypeRow {
  std::string_view name;
  uint64_t bytes;
  void (*read)(const std::byte* numbers, std::span<float> out);  // null: not read as floats
};
void ReadF32(const std::byte* numbers, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = LoadUnaligned<float>(numbers + 4 * i);
}
void ReadF16(const std::byte* numbers, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = FromF16(LoadUnaligned<uint16_t>(numbers + 2 * i));
  }
}
void ReadBf16(const std::byte* numbers, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = FromBf16(LoadUnaligned<bf16_t>(numbers + 2 * i));
  }
}
constexpr DTypeRow kDTypes[] = {{"F32", 4, ReadF32}, {"F16", 2, ReadF16}, {"BF16", 2, ReadBf16},
                                {"F64", 8, nullptr}, {"I64", 8, nullptr}, {"I32", 4, nullptr},
                                {"I16", 2, nullptr}, {"I8", 1, nullptr},  {"U8", 1, nullptr},
                                {"BOOL", 1, nullptr}};

const DTypeRow* FindDType(std::string_view name) {
  for (const DTypeRow& row : kDTypes) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// A tensor's entry as the header says it.
struct Entry {
  std::string dtype;
  std::vector<uint64_t> shape, offsets;
  std::set<std::string, std::less<>> fields;  // those seen
};

// Takes {"__metadata__": {text: text}, name: {"dtype": text, "shape": [n...],
// "data_offsets": [begin, end]}} and nothing else. `error` says what was wrong.
class HeaderEvents : public nlohmann::json_sax<json> {
 public:
  std::map<std::string, Entry, std::less<>> entries;
  std::map<std::string, std::string, std::less<>> metadata;
  std::string error;

  bool start_object(std::size_t) override {
    if (depth_ == 0 || (depth_ == 1 && !array_)) {
      ++depth_;
      return true;
    }
    return Wrong("an object where none belongs");
  }
  bool end_object() override {
    if (--depth_ == 1) field_.clear();
    return true;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      name_ = name;
      field_.clear();
      if (name == kMetadata) {
        if (saw_metadata_) return Wrong("stands in the header twice");
        saw_metadata_ = true;
        return true;
      }
      if (entries.size() >= kMaxTensors) return Wrong("one tensor too many");
      return entries.try_emplace(name).second || Wrong("stands in the header twice");
    }
    field_ = name;
    if (name_ == kMetadata) {
      return metadata.try_emplace(name).second || Wrong("stands in the header twice");
    }
    if (name != "dtype" && name != "shape" && name != "data_offsets") {
      return Wrong("not a field of safetensors");
    }
    return entries[name_].fields.insert(name).second || Wrong("stands in the header twice");
  }
  bool string(string_t& text) override {
    if (depth_ == 2 && !array_ && name_ == kMetadata) {
      metadata[field_] = text;
      return true;
    }
    if (depth_ == 2 && !array_ && field_ == "dtype") {
      entries[name_].dtype = text;
      return true;
    }
    return Wrong("a string where none belongs");
  }
  bool start_array(std::size_t) override {
    if (array_ || depth_ != 2 || name_ == kMetadata ||
        (field_ != "shape" && field_ != "data_offsets")) {
      return Wrong("an array where none belongs");
    }
    array_ = true;
    return true;
  }
  bool end_array() override {
    array_ = false;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!array_) return Wrong("a number where none belongs");
    std::vector<uint64_t>& values =
        field_ == "shape" ? entries[name_].shape : entries[name_].offsets;
    if (values.size() >= kMaxDimensions) return Wrong("too many elements");
    values.push_back(value);
    return true;
  }
  bool null() override { return Wrong("a null where none belongs"); }
  bool boolean(bool) override { return Wrong("a bool where none belongs"); }
  bool number_integer(number_integer_t) override { return Wrong("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return Wrong("a number that is not a whole one of 64 bits");
  }
  bool binary(binary_t&) override { return Wrong("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const json::exception&) override {
    if (error.empty()) error = "not JSON at offset " + std::to_string(8 + position);
    return false;
  }

 private:
  bool Wrong(const std::string& what) {
    error = "entry " + Quoted(name_) + (field_.empty() ? "" : ", field " + Quoted(field_)) + ": " +
            what;
    return false;
  }

  int depth_ = 0;
  bool array_ = false;
  bool saw_metadata_ = false;
  std::string name_, field_;
};

// The tensor's bytes, not yet checked against its neighbours.
Status PlaceTensor(const Entry& entry, std::span<const std::byte> data, SafeTensor* tensor) {
  for (const std::string_view field : {"dtype", "shape", "data_offsets"}) {
    if (!entry.fields.contains(field)) {
      return DataLoss("field " + Quoted(field) + " is missing");
    }
  }
  const DTypeRow* dtype = FindDType(entry.dtype);
  if (dtype == nullptr) {
    return Unsupported("field 'dtype' is " + Quoted(entry.dtype) +
                       "; kvlink reads floats (F64 to BF16), integers and BOOL");
  }
  tensor->dtype = entry.dtype;
  uint64_t bytes = dtype->bytes;
  bool empty = false;
  for (const uint64_t size : entry.shape) {
    if (size > INT64_MAX ||
        (size != 0 && (__builtin_mul_overflow(bytes, size, &bytes) || bytes > INT64_MAX))) {
      return DataLoss("field 'shape' has too many elements");
    }
    empty = empty || size == 0;
    tensor->shape.push_back(static_cast<int64_t>(size));
  }
  if (empty) bytes = 0;
  if (entry.offsets.size() != 2 || entry.offsets[0] > entry.offsets[1]) {
    return DataLoss("field 'data_offsets' is not [begin, end]");
  }
  const uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (end > data.size()) {
    return DataLoss("field 'data_offsets' ends at " + std::to_string(end) + " of " +
                    std::to_string(data.size()) +
                    " bytes of data; the file is truncated or damaged: fetch it again");
  }
  if (end - begin != bytes) {
    return DataLoss("field 'data_offsets' spans " + std::to_string(end - begin) +
                    " bytes; dtype and shape need " + std::to_string(bytes));
  }
  tensor->data = data.subspan(begin, bytes);
  return {};
}

// Tensors must cover the data without gaps and without sharing a byte: a hole could carry anything.
Status CheckCover(const std::map<std::string, Entry, std::less<>>& entries, uint64_t size) {
  std::vector<std::pair<const std::vector<uint64_t>*, const std::string*>> order;
  order.reserve(entries.size());
  for (const auto& [name, entry] : entries) order.emplace_back(&entry.offsets, &name);
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return *a.first < *b.first; });
  uint64_t end = 0;
  for (const auto& [offsets, name] : order) {
    if (offsets->at(0) != end) {
      return DataLoss("entry " + Quoted(*name) + ": field 'data_offsets' begins at " +
                      std::to_string(offsets->at(0)) + "; the tensor before it ends at " +
                      std::to_string(end));
    }
    end = offsets->at(1);
  }
  if (end == size) return {};
  return DataLoss("the tensors end at " + std::to_string(end) + " of " + std::to_string(size) +
                  " bytes of data");
}

}  // namespace

int64_t SafeTensor::elements() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::vector<float> SafeTensor::ToFloat() const {
  const DTypeRow* row = FindDType(dtype);
  if (row == nullptr || row->read == nullptr) return {};
  std::vector<float> values(data.size() / row->bytes);
  row->read(data.data(), values);
  return values;
}

Result<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(FileSystem& files,
                                                               const std::string& path) {
  auto result = std::make_unique<SafetensorsFile>();
  KVLINK_ASSIGN_OR_RETURN(result->file_, files.Map(path));
  const std::span<const std::byte> bytes = result->file_->bytes();
  const auto in = [&path](const Status& status) {
    return Status(status.code(), path + ": " + status.message());
  };
  ByteReader reader(bytes);
  uint64_t header_bytes = 0;
  if (!reader.Read(&header_bytes)) {
    return InvalidArgument(path +
                           ": not a safetensors file: the header's length at offset 0 needs " +
                           "8 bytes, the file has " + std::to_string(bytes.size()));
  }
  std::span<const std::byte> header;
  if (header_bytes > kMaxHeaderBytes || !reader.ReadSpan(header_bytes, &header)) {
    const std::string looks = WhatItLooksLike(bytes);
    return InvalidArgument(
        path + ": not a safetensors file, or a damaged one: the header's length " +
        "at offset 0 is " + std::to_string(header_bytes) + ", the file has " +
        std::to_string(bytes.size()) + " bytes (at most " + std::to_string(kMaxHeaderBytes) +
        " are allowed); it looks like " + looks);
  }
  const std::string_view text = AsText(header);
  if (!text.starts_with('{')) {
    return InvalidArgument(
        path + ": not a safetensors file: the header at offset 8 does not begin " + "with '{'");
  }
  HeaderEvents events;
  if (!json::sax_parse(text.begin(), text.end(), &events)) {
    return DataLoss(path + ": header: " + (events.error.empty() ? "not JSON" : events.error));
  }
  const std::span<const std::byte> data = bytes.subspan(reader.offset());
  for (const auto& [name, entry] : events.entries) {
    SafeTensor tensor;
    if (Status status = PlaceTensor(entry, data, &tensor); !status.ok()) {
      return in({status.code(), "entry " + Quoted(name) + ": " + status.message()});
    }
    result->tensors_.emplace(name, std::move(tensor));
  }
  if (Status status = CheckCover(events.entries, data.size()); !status.ok()) return in(status);
  result->metadata_ = std::move(events.metadata);
  return result;
}

Status WriteSafetensors(FileSystem& files, const std::string& path,
                        const std::map<std::string, SafeTensorToWrite>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  for (const auto& [name, tensor] : tensors) {
    int64_t elements = 1;
    bool valid = name != kMetadata && tensor.shape.size() <= kMaxDimensions;
    for (const int64_t size : tensor.shape) {
      valid = valid && size >= 0 && !__builtin_mul_overflow(elements, size, &elements);
    }
    if (tensor.dtype != "F32" && tensor.dtype != "BF16") {
      return InvalidArgument(path + ": tensor " + Quoted(name) + " has dtype " +
                             Quoted(tensor.dtype) + "; kvlink writes F32 and BF16");
    }
    if (!valid || static_cast<uint64_t>(elements) != tensor.values.size()) {
      return InvalidArgument(path + ": tensor " + Quoted(name) + " has " +
                             std::to_string(tensor.values.size()) +
                             " values, which is not what its name or shape allows");
    }
  }
  // The format allows no gaps, so F32 tensors stand first: then no odd BF16 one puts them out of
  // their own alignment.
  std::string header = "{", data;
  const auto quote = [](const std::string& s) { return json(s).dump(); };
  try {
    if (!metadata.empty()) {
      header += quote(std::string(kMetadata)) + ":" + json(metadata).dump() + ",";
    }
    for (const std::string_view dtype : {"F32", "BF16"}) {
      for (const auto& [name, tensor] : tensors) {
        if (tensor.dtype != dtype) continue;
        const size_t begin = data.size();
        for (const float value : tensor.values) {
          if (dtype == "F32") {
            AppendValue(&data, value);
          } else {
            AppendValue(&data, ToBf16(value));
          }
        }
        header += quote(name) + ":{\"dtype\":\"" + tensor.dtype +
                  "\",\"shape\":" + json(tensor.shape).dump() + ",\"data_offsets\":[" +
                  std::to_string(begin) + "," + std::to_string(data.size()) + "]},";
      }
    }
  } catch (const json::exception&) {  // a string that is not UTF-8
    return InvalidArgument(path + ": a tensor's name or the metadata is not UTF-8");
  }
  if (header.back() == ',') header.pop_back();
  header += '}';
  header.append(
      static_cast<size_t>(RoundUp(static_cast<int64_t>(header.size()), 8)) - header.size(), ' ');
  std::string file;
  file.reserve(8 + header.size() + data.size());
  AppendValue(&file, static_cast<uint64_t>(header.size()));
  file += header;
  file += data;
  return WriteWholeFile(files, path, file);
}

}  // namespace kvlink::formats
