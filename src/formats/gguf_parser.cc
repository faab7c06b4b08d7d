#include "formats/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <type_traits>
#include <utility>

#include "base/bytes.h"
#include "base/quote.h"
#include "formats/file_kind.h"

namespace kvlink::formats {
namespace {

// Bounds far above any real model's (a vocabulary of 260,000 words takes 12 MiB), so that a hostile
// header cannot make us allocate more than a small multiple of kMaxHeaderBytes.
constexpr uint64_t kMaxHeaderBytes = 128ull << 20;
constexpr uint64_t kMaxKeys = 65536;
constexpr uint64_t kMaxTensors = 65536;
constexpr uint64_t kMaxKeyBytes = 65535;  // GGUF's specification
constexpr uint64_t kMaxTensorNameBytes = 256;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = 65536;

enum ValueType : uint32_t {
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

// Types that exist in GGML and that kvlink does not decode; empty for no type at all.
std::string_view ForeignTypeName(uint32_t type) {
  static constexpr std::pair<uint32_t, std::string_view> kForeign[] = {
      {4, "Q4_2"},    {5, "Q4_3"},     {9, "Q8_1"},   {15, "Q8_K"},   {16, "IQ2_XXS"},
      {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},
      {22, "IQ2_S"},  {23, "IQ4_XS"},  {24, "I8"},    {25, "I16"},    {26, "I32"},
      {27, "I64"},    {28, "F64"},     {29, "IQ1_M"}, {34, "TQ1_0"},  {35, "TQ2_0"},
      {39, "MXFP4"}};
  for (const auto& [value, name] : kForeign) {
    if (value == type) return name;
  }
  return "";
}

// The wide type in which GgufScalar and GgufArray keep a number.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double,
                                std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

// One owner, one call of Parse().
class Parser {
 public:
  Parser(std::string_view path, std::span<const std::byte> bytes)
      : path_(path),
        bytes_(bytes),
        reader_(bytes.first(std::min<uint64_t>(bytes.size(), kMaxHeaderBytes))) {}

  Result<GgufContents> Parse() {
    uint64_t tensors = 0, keys = 0;
    KVLINK_RETURN_IF_ERROR(ReadPreamble(&tensors, &keys));
    for (uint64_t i = 0; i < keys; ++i) {
      at_ = {"key", "", i, keys};
      KVLINK_RETURN_IF_ERROR(ReadKey());
    }
    for (uint64_t i = 0; i < tensors; ++i) {
      at_ = {"tensor", "", i, tensors};
      KVLINK_RETURN_IF_ERROR(ReadTensorEntry());
    }
    KVLINK_RETURN_IF_ERROR(PlaceTensors());
    return std::move(contents_);
  }

 private:
  // ---- Wording. `at_` is the key or tensor being read, `field` the part of it.
  struct At {
    std::string_view kind = "", name = "";  // `name` is empty until it is known
    uint64_t index = 0, count = 0;
  };
  std::string Where(std::string_view field, uint64_t offset) const {
    std::string where = path_ + ": ";
    if (!at_.name.empty()) {
      where += std::string(at_.kind) + " " + Quoted(at_.name) + ": ";
    } else if (at_.count > 0) {
      where += std::string(at_.kind) + " " + std::to_string(at_.index) + " of " +
               std::to_string(at_.count) + ": ";
    }
    return where + std::string(field) + " at offset " + std::to_string(offset) + " ";
  }
  Status Bad(std::string_view field, uint64_t offset, const std::string& what) const {
    return DataLoss(Where(field, offset) + what + "; the file is damaged or hostile");
  }
  Status TooShort(std::string_view field, uint64_t offset, const std::string& needs) const {
    if (bytes_.size() > kMaxHeaderBytes) {
      return DataLoss(Where(field, offset) + "needs " + needs +
                      ": the header would be longer than " + std::to_string(kMaxHeaderBytes) +
                      " bytes; the file is damaged or hostile");
    }
    return DataLoss(Where(field, offset) + "needs " + needs + ", but only " +
                    std::to_string(bytes_.size() - std::min<uint64_t>(offset, bytes_.size())) +
                    " remain; the file is truncated or damaged: fetch it again");
  }

  template <class T>
  Status Read(std::string_view field, T* value) {
    const uint64_t offset = reader_.offset();
    if (reader_.Read(value)) return {};
    return TooShort(field, offset, std::to_string(sizeof(T)) + " bytes");
  }
  Status ReadText(std::string_view field, uint64_t max_bytes, std::string_view* text) {
    const uint64_t offset = reader_.offset();
    uint64_t size = 0;
    KVLINK_RETURN_IF_ERROR(Read(field, &size));
    if (size > max_bytes) {
      return Bad(field, offset,
                 "has a length of " + std::to_string(size) + " bytes; at most " +
                     std::to_string(max_bytes) + " are allowed");
    }
    std::span<const std::byte> span;
    if (!reader_.ReadSpan(size, &span)) {
      return TooShort(field, offset, std::to_string(size) + " bytes of text");
    }
    *text = AsText(span);
    return {};
  }

  Status ReadPreamble(uint64_t* tensors, uint64_t* keys) {
    constexpr std::string_view kMagic = "GGUF";
    const std::string_view start = AsText(bytes_.first(std::min<size_t>(bytes_.size(), 4)));
    if (start == "FUGG") return BigEndian();
    if (bytes_.empty() || !kMagic.starts_with(start)) {
      return InvalidArgument(path_ + ": not a GGUF file: it looks like " + WhatItLooksLike(bytes_) +
                             "; give a model in GGUF format");
    }
    uint32_t magic = 0;
    KVLINK_RETURN_IF_ERROR(Read("magic", &magic));
    KVLINK_RETURN_IF_ERROR(Read("version", &contents_.version));
    const uint32_t version = contents_.version;
    if (version == 1) {
      return Unsupported(path_ +
                         ": version at offset 4 is 1 (GGUF v1, 2023); kvlink reads v2 and " +
                         "v3: convert the model again");
    }
    if ((version & 0xffff) == 0 && version != 0) return BigEndian();
    if (version == 0) return Bad("version", 4, "is 0; expected 2 or 3");
    if (version > 3) {
      return Unsupported(path_ + ": version at offset 4 is " + std::to_string(version) +
                         "; kvlink reads GGUF v2 and v3");
    }
    KVLINK_RETURN_IF_ERROR(Read("tensor count", tensors));
    KVLINK_RETURN_IF_ERROR(Read("key count", keys));
    if (*tensors > kMaxTensors) {
      return Bad("tensor count", 8,
                 "is " + std::to_string(*tensors) + "; at most " + std::to_string(kMaxTensors) +
                     " are allowed");
    }
    if (*keys > kMaxKeys) {
      return Bad(
          "key count", 16,
          "is " + std::to_string(*keys) + "; at most " + std::to_string(kMaxKeys) + " are allowed");
    }
    return {};
  }
  Status BigEndian() const {
    return Unsupported(path_ + ": a big-endian GGUF file (version at offset 4 is byte-swapped); " +
                       "kvlink reads little-endian ones: convert the model again");
  }

  Status ReadKey() {
    const uint64_t key_offset = reader_.offset();
    std::string_view key;
    KVLINK_RETURN_IF_ERROR(ReadText("name", kMaxKeyBytes, &key));
    if (key.empty()) return Bad("name", key_offset, "is empty");
    at_.name = key;
    const uint64_t type_offset = reader_.offset();
    uint32_t type = 0;
    KVLINK_RETURN_IF_ERROR(Read("value type", &type));
    if (!contents_.value_offsets.emplace(key, reader_.offset()).second) {
      return Bad("name", key_offset, "stands in the file twice");
    }
    if (type == kArray) {
      GgufArray array;
      KVLINK_RETURN_IF_ERROR(ReadArray(&array));
      contents_.arrays.emplace(key, std::move(array));
      return {};
    }
    GgufScalar scalar;
    KVLINK_RETURN_IF_ERROR(ReadScalar(type, type_offset, &scalar));
    contents_.scalars.emplace(key, std::move(scalar));
    return {};
  }

  template <class T>
  Status ReadNumber(GgufScalar* scalar) {
    T value{};
    KVLINK_RETURN_IF_ERROR(Read("value", &value));
    *scalar = static_cast<Wide<T>>(value);
    return {};
  }

  Status ReadScalar(uint32_t type, uint64_t type_offset, GgufScalar* scalar) {
    switch (type) {
      case kU8:
        return ReadNumber<uint8_t>(scalar);
      case kI8:
        return ReadNumber<int8_t>(scalar);
      case kU16:
        return ReadNumber<uint16_t>(scalar);
      case kI16:
        return ReadNumber<int16_t>(scalar);
      case kU32:
        return ReadNumber<uint32_t>(scalar);
      case kI32:
        return ReadNumber<int32_t>(scalar);
      case kF32:
        return ReadNumber<float>(scalar);
      case kU64:
        return ReadNumber<uint64_t>(scalar);
      case kI64:
        return ReadNumber<int64_t>(scalar);
      case kF64:
        return ReadNumber<double>(scalar);
      case kBool: {
        const uint64_t offset = reader_.offset();
        uint8_t value = 0;
        KVLINK_RETURN_IF_ERROR(Read("value", &value));
        if (value > 1) {
          return Bad("value", offset,
                     "is the byte " + std::to_string(value) + "; a bool is 0 or 1");
        }
        *scalar = value == 1;
        return {};
      }
      case kString: {
        std::string_view text;
        KVLINK_RETURN_IF_ERROR(ReadText("value", kMaxHeaderBytes, &text));
        *scalar = std::string(text);
        return {};
      }
      default:
        return Bad("value type", type_offset,
                   "is " + std::to_string(type) + "; GGUF has types 0 to 12");
    }
  }

  // `count` elements of at least `least_bytes` each must fit before anything is allocated.
  Status CheckCount(uint64_t count, uint64_t offset, uint64_t least_bytes) const {
    if (count <= reader_.remaining() / least_bytes) return {};
    return TooShort(
        "array length", offset,
        std::to_string(count) + " elements of " + std::to_string(least_bytes) + " bytes or more");
  }

  template <class T>
  Status ReadNumbers(uint64_t count, uint64_t offset, GgufArray* array) {
    KVLINK_RETURN_IF_ERROR(CheckCount(count, offset, sizeof(T)));
    std::vector<Wide<T>> values(count);
    for (Wide<T>& value : values) {
      T element{};
      KVLINK_RETURN_IF_ERROR(Read("element", &element));
      // An int8 element is a number, its sign is meant. NOLINTNEXTLINE(bugprone-signed-char-misuse)
      value = static_cast<Wide<T>>(element);
    }
    *array = std::move(values);
    return {};
  }

  Status ReadArray(GgufArray* array) {
    const uint64_t type_offset = reader_.offset();
    uint32_t type = 0;
    uint64_t count = 0;
    KVLINK_RETURN_IF_ERROR(Read("array element type", &type));
    const uint64_t offset = reader_.offset();
    KVLINK_RETURN_IF_ERROR(Read("array length", &count));
    switch (type) {
      case kU8:
        return ReadNumbers<uint8_t>(count, offset, array);
      case kI8:
        return ReadNumbers<int8_t>(count, offset, array);
      case kU16:
        return ReadNumbers<uint16_t>(count, offset, array);
      case kI16:
        return ReadNumbers<int16_t>(count, offset, array);
      case kU32:
        return ReadNumbers<uint32_t>(count, offset, array);
      case kI32:
        return ReadNumbers<int32_t>(count, offset, array);
      case kF32:
        return ReadNumbers<float>(count, offset, array);
      case kU64:
        return ReadNumbers<uint64_t>(count, offset, array);
      case kI64:
        return ReadNumbers<int64_t>(count, offset, array);
      case kF64:
        return ReadNumbers<double>(count, offset, array);
      case kBool: {
        KVLINK_RETURN_IF_ERROR(CheckCount(count, offset, 1));
        std::vector<bool> values(count);
        for (uint64_t i = 0; i < count; ++i) {
          uint8_t value = 0;
          KVLINK_RETURN_IF_ERROR(Read("element", &value));
          if (value > 1) {
            return Bad("element", reader_.offset() - 1,
                       "is the byte " + std::to_string(value) + "; a bool is 0 or 1");
          }
          values[i] = value == 1;
        }
        *array = std::move(values);
        return {};
      }
      case kString: {
        KVLINK_RETURN_IF_ERROR(CheckCount(count, offset, sizeof(uint64_t)));
        std::vector<std::string> values(count);
        for (std::string& value : values) {
          std::string_view text;
          KVLINK_RETURN_IF_ERROR(ReadText("element", kMaxHeaderBytes, &text));
          value = text;
        }
        *array = std::move(values);
        return {};
      }
      case kArray:
        return Bad("array element type", type_offset, "is 9: arrays of arrays are not allowed");
      default:
        return Bad("array element type", type_offset,
                   "is " + std::to_string(type) + "; GGUF has types 0 to 12");
    }
  }

  // Fills the entry but for `data`, whose place within the data section goes to `places_`.
  Status ReadTensorEntry() {
    TensorInfo tensor;
    tensor.header_offset = reader_.offset();
    std::string_view name;
    KVLINK_RETURN_IF_ERROR(ReadText("name", kMaxTensorNameBytes, &name));
    if (name.empty()) return Bad("name", tensor.header_offset, "is empty");
    at_.name = name;
    tensor.name = std::string(name);
    if (!contents_.tensor_index.emplace(name, contents_.tensors.size()).second) {
      return Bad("name", tensor.header_offset, "stands in the file twice");
    }
    uint64_t offset = reader_.offset();
    uint32_t dimensions = 0;
    KVLINK_RETURN_IF_ERROR(Read("number of dimensions", &dimensions));
    if (dimensions == 0 || dimensions > kMaxDimensions) {
      return Bad("number of dimensions", offset,
                 "is " + std::to_string(dimensions) + "; expected 1 to 4");
    }
    const uint64_t sizes_offset = reader_.offset();
    uint64_t elements = 1;
    for (uint32_t i = 0; i < dimensions; ++i) {
      offset = reader_.offset();
      uint64_t size = 0;
      KVLINK_RETURN_IF_ERROR(Read("dimension", &size));
      // Here the product must not wrap; that its bytes are in the file is checked later.
      if (size == 0 || size > INT64_MAX || __builtin_mul_overflow(elements, size, &elements) ||
          elements > INT64_MAX) {
        return Bad("dimension", offset,
                   "is " + std::to_string(size) + (size == 0 ? "" : ": too many elements"));
      }
      tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
    }
    offset = reader_.offset();
    uint32_t type = 0;
    KVLINK_RETURN_IF_ERROR(Read("type", &type));
    const GgmlTypeTraits* traits = TraitsOf(type);
    if (traits == nullptr) {
      const std::string_view foreign = ForeignTypeName(type);
      return Unsupported(Where("type", offset) + "is " + std::to_string(type) +
                         (foreign.empty() ? " (unknown)" : " (" + std::string(foreign) + ")") +
                         ", which kvlink does not decode; use a file in Q4_K_M, Q8_0, F16 or BF16");
    }
    tensor.type = static_cast<GgmlType>(type);
    if (tensor.shape.back() % traits->block_elements != 0) {
      return Bad("dimension", sizes_offset,
                 "is " + std::to_string(tensor.shape.back()) + "; " + std::string(traits->name) +
                     " needs rows of a multiple of " + std::to_string(traits->block_elements));
    }
    Place place;
    if (__builtin_mul_overflow(elements / traits->block_elements,
                               static_cast<uint64_t>(traits->block_bytes), &place.size)) {
      return Bad("dimension", sizes_offset, "gives too many bytes");
    }
    place.field = reader_.offset();
    KVLINK_RETURN_IF_ERROR(Read("data offset", &place.offset));
    places_.push_back(place);
    contents_.tensors.push_back(std::move(tensor));
    return {};
  }

  Status ReadAlignment(uint64_t* alignment) {
    constexpr std::string_view kKey = "general.alignment";
    *alignment = kDefaultAlignment;
    const auto offset = contents_.value_offsets.find(kKey);
    if (offset == contents_.value_offsets.end()) return {};
    at_ = {"key", kKey};
    const auto scalar = contents_.scalars.find(kKey);
    if (scalar == contents_.scalars.end() || !std::holds_alternative<uint64_t>(scalar->second)) {
      return Bad("value type", offset->second - 4, "is not an unsigned integer");
    }
    *alignment = std::get<uint64_t>(scalar->second);
    if (!std::has_single_bit(*alignment) || *alignment < 8 || *alignment > kMaxAlignment) {
      return Bad("value", offset->second,
                 "is " + std::to_string(*alignment) + "; expected a power of two from 8 to " +
                     std::to_string(kMaxAlignment));
    }
    return {};
  }

  // Finds each tensor's bytes: inside the file, aligned, no two overlapping.
  Status PlaceTensors() {
    uint64_t alignment = 0;
    KVLINK_RETURN_IF_ERROR(ReadAlignment(&alignment));
    const uint64_t start = (reader_.offset() + alignment - 1) / alignment * alignment;
    const uint64_t available = bytes_.size() - std::min<uint64_t>(start, bytes_.size());
    for (size_t i = 0; i < places_.size(); ++i) {
      TensorInfo& tensor = contents_.tensors[i];
      const Place& place = places_[i];
      at_ = {"tensor", tensor.name};
      if (place.offset % alignment != 0) {
        return Bad("data offset", place.field,
                   "is " + std::to_string(place.offset) + ", not a multiple of the alignment " +
                       std::to_string(alignment));
      }
      if (place.offset > available || place.size > available - place.offset) {
        return DataLoss(Where("data offset", place.field) + "is " + std::to_string(place.offset) +
                        ": its " + std::to_string(place.size) + " bytes end beyond the " +
                        std::to_string(available) +
                        " bytes of data in the file; it is truncated or damaged: fetch it again");
      }
      tensor.data = bytes_.subspan(start + place.offset, place.size);
    }
    std::vector<size_t> order(places_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return places_[a].offset < places_[b].offset; });
    for (size_t i = 1; i < order.size(); ++i) {
      const Place& before = places_[order[i - 1]];
      const Place& place = places_[order[i]];
      if (place.offset - before.offset < before.size) {
        at_ = {"tensor", contents_.tensors[order[i]].name};
        return Bad("data offset", place.field,
                   "is " + std::to_string(place.offset) + ": it overlaps tensor " +
                       Quoted(contents_.tensors[order[i - 1]].name));
      }
    }
    return {};
  }

  struct Place {
    uint64_t field = 0;   // where the file says `offset`
    uint64_t offset = 0;  // within the data section
    uint64_t size = 0;
  };

  const std::string path_;
  const std::span<const std::byte> bytes_;
  ByteReader reader_;
  At at_;
  GgufContents contents_;
  std::vector<Place> places_;
};

}  // namespace

Result<GgufContents> ParseGguf(std::string_view path, std::span<const std::byte> bytes) {
  return Parser(path, bytes).Parse();
}

}  // namespace kvlink::formats
