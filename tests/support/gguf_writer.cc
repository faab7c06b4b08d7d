#include "support/gguf_writer.h"

#include <algorithm>

#include "base/bytes.h"

namespace kvlink::testing {
namespace {

template <class T>
std::string Packed(GgufType type, T value) {
  std::string bytes;
  AppendValue(&bytes, static_cast<uint32_t>(type));
  AppendValue(&bytes, value);
  return bytes;
}

void PadTo(std::string* bytes, uint64_t alignment) {
  while (bytes->size() % alignment != 0) bytes->push_back('\0');
}

}  // namespace

std::string GgufText(std::string_view text) {
  std::string bytes;
  AppendValue(&bytes, static_cast<uint64_t>(text.size()));
  return bytes.append(text);
}

void GgufWriter::Raw(std::string_view key, uint32_t type, std::string_view payload) {
  std::string bytes;
  AppendValue(&bytes, type);
  keys_.push_back({std::string(key), bytes.append(payload)});
}
void GgufWriter::String(std::string_view key, std::string_view value) {
  Raw(key, static_cast<uint32_t>(GgufType::kString), GgufText(value));
}
void GgufWriter::U32(std::string_view key, uint32_t value) {
  keys_.push_back({std::string(key), Packed(GgufType::kU32, value)});
}
void GgufWriter::I32(std::string_view key, int32_t value) {
  keys_.push_back({std::string(key), Packed(GgufType::kI32, value)});
}
void GgufWriter::U64(std::string_view key, uint64_t value) {
  keys_.push_back({std::string(key), Packed(GgufType::kU64, value)});
}
void GgufWriter::F32(std::string_view key, float value) {
  keys_.push_back({std::string(key), Packed(GgufType::kF32, value)});
}
void GgufWriter::Bool(std::string_view key, bool value) {
  keys_.push_back({std::string(key), Packed(GgufType::kBool, static_cast<uint8_t>(value))});
}
void GgufWriter::Strings(std::string_view key, const std::vector<std::string>& values) {
  std::string payload;
  AppendValue(&payload, static_cast<uint32_t>(GgufType::kString));
  AppendValue(&payload, static_cast<uint64_t>(values.size()));
  for (const std::string& value : values) payload += GgufText(value);
  Raw(key, static_cast<uint32_t>(GgufType::kArray), payload);
}
void GgufWriter::I32s(std::string_view key, const std::vector<int32_t>& values) {
  std::string payload;
  AppendValue(&payload, static_cast<uint32_t>(GgufType::kI32));
  AppendValue(&payload, static_cast<uint64_t>(values.size()));
  for (int32_t value : values) AppendValue(&payload, value);
  Raw(key, static_cast<uint32_t>(GgufType::kArray), payload);
}
void GgufWriter::Remove(std::string_view key) {
  std::erase_if(keys_, [&](const Key& k) { return k.name == key; });
}

void GgufWriter::Tensor(std::string_view name, GgmlType type, const std::vector<int64_t>& shape,
                        std::string_view data) {
  entries_.push_back({std::string(name), std::vector<uint64_t>(shape.rbegin(), shape.rend()),
                      static_cast<uint32_t>(type), std::nullopt, std::string(data)});
}
void GgufWriter::F32Tensor(std::string_view name, const std::vector<int64_t>& shape,
                           const std::vector<float>& values) {
  Tensor(name, GgmlType::kF32, shape,
         {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}
void GgufWriter::RawTensor(std::string_view name, const std::vector<uint64_t>& sizes, uint32_t type,
                           uint64_t offset) {
  entries_.push_back({std::string(name), sizes, type, offset, ""});
}
void GgufWriter::RemoveTensor(std::string_view name) {
  std::erase_if(entries_, [&](const Entry& e) { return e.name == name; });
}

std::string GgufWriter::Header() const {
  std::string out = magic;
  AppendValue(&out, version);
  AppendValue(&out, tensor_count.value_or(entries_.size()));
  AppendValue(&out, key_count.value_or(keys_.size()));
  for (const Key& key : keys_) {
    out += GgufText(key.name);
    out += key.bytes;
  }
  uint64_t offset = 0;
  for (const Entry& entry : entries_) {
    out += GgufText(entry.name);
    AppendValue(&out, static_cast<uint32_t>(entry.sizes.size()));
    for (uint64_t size : entry.sizes) AppendValue(&out, size);
    AppendValue(&out, entry.type);
    AppendValue(&out, entry.offset.value_or(offset));
    offset = (offset + entry.data.size() + alignment - 1) / alignment * alignment;
  }
  return out;
}

size_t GgufWriter::HeaderBytes() const { return Header().size(); }

std::string GgufWriter::Build() const {
  std::string out = Header();
  PadTo(&out, alignment);
  for (const Entry& entry : entries_) {
    out += entry.data;
    PadTo(&out, alignment);
  }
  return out;
}

}  // namespace kvlink::testing
