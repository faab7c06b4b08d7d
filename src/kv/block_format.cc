// Encoding and decoding of the 4 KiB header (kv/block_format.h). Every number of a foreign header
// is checked here, before anything is read by it.
#include "kv/block_format.h"

#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/check.h"

namespace kvlink::kv {
namespace {

constexpr std::string_view kMagic = "KVLBLOCK";
// Magic, version and checksum stay where they are in every version, so that an old program can
// tell a newer file from a damaged one.
constexpr size_t kChecksumOffset = kBlockHeaderBytes - sizeof(uint64_t);

// Far above any model, low enough that no product below wraps 63 bits.
constexpr int64_t kMaxLayers = 1 << 12;
constexpr int64_t kMaxHeads = 1 << 12;
constexpr int64_t kMaxHeadDim = 1 << 12;
constexpr int64_t kMaxTokens = 1 << 24;
constexpr int64_t kMaxLabelBytes = int64_t{64} << 20;
constexpr int64_t kMaxImageBytes = int64_t{1} << 40;

Status CheckRange(const char* name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return InvalidArgument(std::string("a block's ") + name + " must be " + std::to_string(low) +
                         ".." + std::to_string(high) + ", found " + std::to_string(value));
}

uint64_t HeaderChecksum(std::span<const std::byte> header) {
  return Xxh3(header.first(kChecksumOffset));
}

void AppendDigest(std::string* out, const Sha256Digest& digest) {
  out->append(reinterpret_cast<const char*>(digest.data()), digest.size());
}

Status Expect(const char* field, uint64_t expected, uint64_t found) {
  if (expected == found) return {};
  return DataLoss(std::string("block header: ") + field + " is " + std::to_string(found) +
                  ", expected " + std::to_string(expected));
}

}  // namespace

Result<BlockLayout> LayoutOf(const BlockShape& shape, int64_t label_bytes) {
  KVLINK_RETURN_IF_ERROR(CheckRange("number of layers", shape.layers, 1, kMaxLayers));
  KVLINK_RETURN_IF_ERROR(CheckRange("number of KV heads", shape.kv_heads, 1, kMaxHeads));
  KVLINK_RETURN_IF_ERROR(CheckRange("head size", shape.head_dim, 1, kMaxHeadDim));
  KVLINK_RETURN_IF_ERROR(CheckRange("number of tokens", shape.tokens, 0, kMaxTokens));
  KVLINK_RETURN_IF_ERROR(CheckRange("label's size in bytes", label_bytes, 0, kMaxLabelBytes));
  KVLINK_RETURN_IF_ERROR(CheckRange("dtype", static_cast<int64_t>(shape.dtype), 0, 1));
  BlockLayout layout;
  layout.plane_stride = RoundUp(shape.plane_bytes(), kBlockAlignment);  // at most 2^50
  KVLINK_RETURN_IF_ERROR(CheckRange("plane's size in bytes", layout.plane_stride, 0,
                                    kMaxImageBytes / (2 * shape.layers)));
  layout.tokens_offset = kBlockHeaderBytes;
  layout.label_offset = layout.tokens_offset + shape.tokens * int64_t{sizeof(int32_t)};
  layout.checksums_offset = RoundUp(layout.label_offset + label_bytes, sizeof(uint64_t));
  layout.planes_offset =
      RoundUp(layout.checksums_offset + int64_t{2} * shape.layers * int64_t{sizeof(uint64_t)},
              kBlockAlignment);
  layout.image_bytes = layout.planes_offset + 2 * shape.layers * layout.plane_stride;
  return layout;
}

void EncodeBlockHeader(const BlockHeader& header,
                       std::span<std::byte, static_cast<size_t>(kBlockHeaderBytes)> out) {
  const Result<BlockLayout> layout = LayoutOf(header.shape, header.label_bytes);
  KVLINK_CHECK(layout.ok());
  std::string text(kMagic);
  AppendValue(&text, kBlockFormatVersion);
  AppendValue(&text, static_cast<uint32_t>(kBlockHeaderBytes));
  AppendDigest(&text, header.identity.model);
  AppendDigest(&text, header.identity.id);
  AppendValue(&text, header.shape.layers);
  AppendValue(&text, header.shape.kv_heads);
  AppendValue(&text, header.shape.head_dim);
  AppendValue(&text, header.shape.tokens);
  AppendValue(&text, static_cast<uint32_t>(header.shape.dtype));
  AppendValue(&text, static_cast<uint32_t>(BlockShape::kTokenPadding));
  AppendValue(&text, header.label_bytes);
  AppendValue(&text, layout->planes_offset);
  AppendValue(&text, layout->plane_stride);
  AppendValue(&text, layout->image_bytes);
  AppendValue(&text, header.tokens_xxh3);
  AppendValue(&text, header.index_xxh3);
  text.resize(kChecksumOffset, '\0');
  AppendValue(&text, HeaderChecksum(AsBytes(text)));
  std::memcpy(out.data(), text.data(), text.size());
}

Result<BlockHeader> DecodeBlockHeader(std::span<const std::byte> image) {
  if (image.size() < kBlockHeaderBytes) {
    return DataLoss("block header: truncated: " + std::to_string(kBlockHeaderBytes) +
                    " bytes expected, found " + std::to_string(image.size()));
  }
  if (AsText(image.first(kMagic.size())) != kMagic) {
    return DataLoss("block header: no block: it does not begin with " + std::string(kMagic));
  }
  ByteReader checksum_reader(image.subspan(kChecksumOffset, sizeof(uint64_t)));
  uint64_t stored_checksum = 0;
  KVLINK_CHECK(checksum_reader.Read(&stored_checksum));
  if (stored_checksum != HeaderChecksum(image.first(kBlockHeaderBytes))) {
    return DataLoss("block header: its checksum does not match, the file is damaged");
  }

  ByteReader reader(image.first(kChecksumOffset));
  std::span<const std::byte> magic;
  uint32_t version = 0, header_bytes = 0, dtype = 0, padding = 0;
  uint64_t planes_offset = 0, plane_stride = 0, image_bytes = 0;
  BlockHeader header;
  const bool read = reader.ReadSpan(kMagic.size(), &magic) && reader.Read(&version) &&
                    reader.Read(&header_bytes) && reader.Read(&header.identity.model) &&
                    reader.Read(&header.identity.id) && reader.Read(&header.shape.layers) &&
                    reader.Read(&header.shape.kv_heads) && reader.Read(&header.shape.head_dim) &&
                    reader.Read(&header.shape.tokens) && reader.Read(&dtype) &&
                    reader.Read(&padding) && reader.Read(&header.label_bytes) &&
                    reader.Read(&planes_offset) && reader.Read(&plane_stride) &&
                    reader.Read(&image_bytes) && reader.Read(&header.tokens_xxh3) &&
                    reader.Read(&header.index_xxh3);
  KVLINK_CHECK(read);  // the fields fit the header, whatever is in them

  if (version > kBlockFormatVersion) {
    return FailedPrecondition("block header: format version " + std::to_string(version) +
                              " is newer than this program's " +
                              std::to_string(kBlockFormatVersion) + "; use a newer kvlink");
  }
  KVLINK_RETURN_IF_ERROR(Expect("format version", kBlockFormatVersion, version));
  KVLINK_RETURN_IF_ERROR(Expect("header size", kBlockHeaderBytes, header_bytes));
  KVLINK_RETURN_IF_ERROR(Expect("token padding", BlockShape::kTokenPadding, padding));
  header.shape.dtype = static_cast<DType>(dtype);
  const Result<BlockLayout> layout = LayoutOf(header.shape, header.label_bytes);
  if (!layout.ok()) return DataLoss("block header: " + layout.status().message());
  // Stored as well as derived: whoever reads the file with other tools need not compute them.
  KVLINK_RETURN_IF_ERROR(Expect("offset of the planes", layout->planes_offset, planes_offset));
  KVLINK_RETURN_IF_ERROR(Expect("stride of the planes", layout->plane_stride, plane_stride));
  KVLINK_RETURN_IF_ERROR(Expect("image size", layout->image_bytes, image_bytes));
  if (image.size() != layout->image_bytes) {
    return DataLoss("block: " + std::to_string(layout->image_bytes) +
                    " bytes expected by its header, found " + std::to_string(image.size()) +
                    (image.size() < layout->image_bytes ? " (truncated)" : " (bytes appended)"));
  }
  return header;
}

}  // namespace kvlink::kv
