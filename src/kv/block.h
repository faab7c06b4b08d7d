// The block: K and V of one document, all layers, encoded alone at positions 0..n-1. Immutable.
// A block is one contiguous image, the same in memory and on disk (docs/block-format.md), so that
// attention reads it where it is mapped. Not here: where images rest (kv/store.h) and who computes
// them (link/indexer.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"
#include "base/hash.h"
#include "kvlink/status.h"

namespace kvlink::kv {

using BlockId = Sha256Digest;  // over everything that decides a block's bytes

struct BlockShape {
  int32_t layers = 0;    // L
  int32_t kv_heads = 0;  // G
  int32_t head_dim = 0;  // D
  int32_t tokens = 0;    // n
  DType dtype = DType::kF32;

  // A plane is K or V of one layer, [G, padded n, D]; rows n.. are zero, so that a tile of
  // kTokenPadding tokens may be read whole.
  static constexpr int64_t kTokenPadding = 16;
  int64_t padded_tokens() const {
    return (tokens + kTokenPadding - 1) / kTokenPadding * kTokenPadding;
  }
  int64_t plane_bytes() const { return kv_heads * padded_tokens() * head_dim * SizeOf(dtype); }
  bool operator==(const BlockShape&) const = default;
};

// What the block was made from; checked before its bytes are believed.
struct BlockIdentity {
  BlockId id{};
  Sha256Digest model{};  // the model fingerprint: files of another model are foreign
};

// Thread-safe because immutable; shared by requests, kept alive by shared_ptr.
class Block {
 public:
  const BlockIdentity& identity() const { return identity_; }
  const BlockShape& shape() const { return shape_; }
  std::span<const int32_t> tokens() const { return tokens_; }
  // What the owner wanted kept with it (the document's title, text and source, as JSON), so that a
  // lost catalogue can be rebuilt.
  std::string_view label() const { return label_; }
  const void* keys(int32_t layer) const;    // [G, padded n, D], rotated to positions 0..n-1
  const void* values(int32_t layer) const;  // [G, padded n, D]
  std::span<const std::byte> image() const { return image_; }
  // kDataLoss: its file was cut or written to, or its disk failed, since the block was opened. What
  // was computed from it meanwhile is to be thrown away. Blocks in memory are always OK.
  Status CheckUnchanged() const { return file_ == nullptr ? Status() : file_->CheckUnchanged(); }

 private:
  friend class BlockBuilder;
  friend Result<std::shared_ptr<const Block>> OpenBlock(std::shared_ptr<const MappedFile>, bool);
  Block() = default;

  BlockIdentity identity_;
  BlockShape shape_;
  std::span<const int32_t> tokens_;
  std::string_view label_;
  int64_t planes_offset_ = 0;
  int64_t plane_stride_ = 0;
  std::span<const std::byte> image_;
  std::shared_ptr<const void> memory_;      // the builder's, or
  std::shared_ptr<const MappedFile> file_;  // the mapping
};

// Lays out an empty image, hands out its planes to be filled, and closes it with checksums.
class BlockBuilder {
 public:
  // Errors: kInvalidArgument for a shape that is not positive (tokens may be 0) or too large;
  // kResourceExhausted when memory is short.
  static Result<BlockBuilder> Create(const BlockIdentity& identity, const BlockShape& shape,
                                     std::span<const int32_t> tokens, std::string_view label);
  void* keys(int32_t layer);    // [G, padded n, D], zeroed
  void* values(int32_t layer);  // [G, padded n, D], zeroed
  std::shared_ptr<const Block> Finish() &&;

 private:
  std::unique_ptr<Block> block_;
  std::shared_ptr<std::byte> memory_;
};

// A block over a mapped image. Sizes, magic, version and the header's checksum are always checked;
// the planes' checksums when verify_planes. Errors: kDataLoss (damaged, says where),
// kFailedPrecondition (a newer format version).
Result<std::shared_ptr<const Block>> OpenBlock(std::shared_ptr<const MappedFile> file,
                                               bool verify_planes);

}  // namespace kvlink::kv
