// The layout of a block's image (docs/block-format.md): its header and where everything lies. Not
// here: who owns the bytes (kv/block.h) and where they rest (kv/store.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kv/block.h"

namespace kvlink::kv {

constexpr int64_t kBlockHeaderBytes = 4096;
constexpr int64_t kBlockAlignment = 64;  // of every plane within the image
constexpr uint32_t kBlockFormatVersion = 1;

// What a header says. Every byte of an image is covered by exactly one checksum: the header's own
// (its last 8 bytes), one of these two, or that of a plane, which stands in the table before the
// planes.
struct BlockHeader {
  BlockIdentity identity;
  BlockShape shape;
  int64_t label_bytes = 0;
  uint64_t tokens_xxh3 = 0;  // of the token ids
  uint64_t index_xxh3 = 0;   // of what lies between token ids and planes: label, table, padding
};

// Offsets and sizes in bytes; all follow from the shape and the label's size.
struct BlockLayout {
  int64_t tokens_offset = 0;     // int32 [n]
  int64_t label_offset = 0;      // label_bytes of text
  int64_t checksums_offset = 0;  // uint64 [L, 2]: XXH3 of the keys' and the values' stride
  int64_t planes_offset = 0;     // L times: keys, values
  int64_t plane_stride = 0;      // plane_bytes rounded up to kBlockAlignment
  int64_t image_bytes = 0;
};

// Errors: kInvalidArgument for sizes that are not positive (tokens and label may be 0) or beyond
// the format's limits; no product in it can wrap.
Result<BlockLayout> LayoutOf(const BlockShape& shape, int64_t label_bytes);

// REQUIRES: LayoutOf(header.shape, header.label_bytes) is OK.
void EncodeBlockHeader(const BlockHeader& header,
                       std::span<std::byte, static_cast<size_t>(kBlockHeaderBytes)> out);

// Decodes and checks the header of `image` against the image's size; looks at nothing behind the
// header. Errors: kDataLoss (says which field), kFailedPrecondition (a newer version).
Result<BlockHeader> DecodeBlockHeader(std::span<const std::byte> image);

}  // namespace kvlink::kv
