// Building a block's image in memory and opening one over mapped bytes. The layout is
// kv/block_format.h's.
#include "kv/block.h"

#include <cstring>
#include <new>

#include "base/bytes.h"
#include "base/check.h"
#include "kv/block_format.h"

namespace kvlink::kv {
namespace {

uint64_t ChecksumAt(std::span<const std::byte> image, const BlockLayout& layout, int64_t plane) {
  uint64_t value = 0;
  std::memcpy(&value, image.data() + layout.checksums_offset + plane * sizeof(value),
              sizeof(value));
  return value;
}

std::span<const std::byte> PlaneAt(std::span<const std::byte> image, const BlockLayout& layout,
                                   int64_t plane) {
  return image.subspan(layout.planes_offset + plane * layout.plane_stride, layout.plane_stride);
}

std::span<const std::byte> TokensOf(std::span<const std::byte> image, const BlockLayout& layout) {
  return image.subspan(layout.tokens_offset, layout.label_offset - layout.tokens_offset);
}

std::span<const std::byte> IndexOf(std::span<const std::byte> image, const BlockLayout& layout) {
  return image.subspan(layout.label_offset, layout.planes_offset - layout.label_offset);
}

}  // namespace

const void* Block::keys(int32_t layer) const {
  KVLINK_CHECK(layer >= 0 && layer < shape_.layers);
  return image_.data() + planes_offset_ + int64_t{2} * layer * plane_stride_;
}

const void* Block::values(int32_t layer) const {
  KVLINK_CHECK(layer >= 0 && layer < shape_.layers);
  return image_.data() + planes_offset_ + (int64_t{2} * layer + 1) * plane_stride_;
}

Result<BlockBuilder> BlockBuilder::Create(const BlockIdentity& identity, const BlockShape& shape,
                                          std::span<const int32_t> tokens, std::string_view label) {
  KVLINK_ASSIGN_OR_RETURN(const BlockLayout layout,
                          LayoutOf(shape, static_cast<int64_t>(label.size())));
  if (static_cast<int64_t>(tokens.size()) != shape.tokens) {
    return InvalidArgument("a block of " + std::to_string(shape.tokens) + " tokens was given " +
                           std::to_string(tokens.size()) + " token ids");
  }
  constexpr std::align_val_t kAlignment{kBlockHeaderBytes};
  auto* const memory = static_cast<std::byte*>(
      ::operator new(static_cast<size_t>(layout.image_bytes), kAlignment, std::nothrow));
  if (memory == nullptr) {
    return ResourceExhausted("no memory for a block of " + std::to_string(layout.image_bytes) +
                             " bytes (" + std::to_string(shape.tokens) +
                             " tokens); encode shorter documents");
  }
  BlockBuilder builder;
  builder.memory_ =
      std::shared_ptr<std::byte>(memory, [](std::byte* p) { ::operator delete(p, kAlignment); });
  std::memset(memory, 0, static_cast<size_t>(layout.image_bytes));
  if (!tokens.empty()) {
    std::memcpy(memory + layout.tokens_offset, tokens.data(), tokens.size_bytes());
  }
  if (!label.empty()) std::memcpy(memory + layout.label_offset, label.data(), label.size());

  builder.block_.reset(new Block);
  Block& block = *builder.block_;
  block.identity_ = identity;
  block.shape_ = shape;
  block.image_ = {memory, static_cast<size_t>(layout.image_bytes)};
  block.tokens_ = {reinterpret_cast<const int32_t*>(memory + layout.tokens_offset), tokens.size()};
  block.label_ = AsText(block.image_.subspan(layout.label_offset, label.size()));
  block.planes_offset_ = layout.planes_offset;
  block.plane_stride_ = layout.plane_stride;
  block.memory_ = builder.memory_;
  return builder;
}

void* BlockBuilder::keys(int32_t layer) {
  return memory_.get() +
         (static_cast<const std::byte*>(block_->keys(layer)) - block_->image_.data());
}

void* BlockBuilder::values(int32_t layer) {
  return memory_.get() +
         (static_cast<const std::byte*>(block_->values(layer)) - block_->image_.data());
}

std::shared_ptr<const Block> BlockBuilder::Finish() && {
  KVLINK_CHECK(block_ != nullptr);
  const Result<BlockLayout> layout =
      LayoutOf(block_->shape_, static_cast<int64_t>(block_->label_.size()));
  KVLINK_CHECK(layout.ok());
  const std::span<const std::byte> image = block_->image_;
  for (int64_t plane = 0; plane < int64_t{2} * block_->shape_.layers; ++plane) {
    const uint64_t checksum = Xxh3(PlaneAt(image, *layout, plane));
    std::memcpy(memory_.get() + layout->checksums_offset + plane * sizeof(checksum), &checksum,
                sizeof(checksum));
  }
  BlockHeader header;
  header.identity = block_->identity_;
  header.shape = block_->shape_;
  header.label_bytes = static_cast<int64_t>(block_->label_.size());
  header.tokens_xxh3 = Xxh3(TokensOf(image, *layout));
  header.index_xxh3 = Xxh3(IndexOf(image, *layout));
  EncodeBlockHeader(header, std::span<std::byte, static_cast<size_t>(kBlockHeaderBytes)>(
                                memory_.get(), static_cast<size_t>(kBlockHeaderBytes)));
  memory_.reset();
  return std::shared_ptr<const Block>(std::move(block_));
}

Result<std::shared_ptr<const Block>> OpenBlock(std::shared_ptr<const MappedFile> file,
                                               bool verify_planes) {
  const std::span<const std::byte> image = file->bytes();
  KVLINK_ASSIGN_OR_RETURN(const BlockHeader header, DecodeBlockHeader(image));
  KVLINK_CHECK(reinterpret_cast<uintptr_t>(image.data()) % kBlockAlignment == 0);
  KVLINK_ASSIGN_OR_RETURN(const BlockLayout layout, LayoutOf(header.shape, header.label_bytes));
  if (Xxh3(TokensOf(image, layout)) != header.tokens_xxh3) {
    return DataLoss("block: the checksum of its token ids does not match, the file is damaged");
  }
  if (Xxh3(IndexOf(image, layout)) != header.index_xxh3) {
    return DataLoss("block: the checksum of its label and table does not match, it is damaged");
  }
  for (int64_t plane = 0; verify_planes && plane < int64_t{2} * header.shape.layers; ++plane) {
    if (Xxh3(PlaneAt(image, layout, plane)) != ChecksumAt(image, layout, plane)) {
      return DataLoss("block: the checksum of the " +
                      std::string(plane % 2 == 0 ? "keys" : "values") + " of layer " +
                      std::to_string(plane / 2) + " does not match, the file is damaged");
    }
  }
  // A file that shrank while it was being looked at read as zeros, which may fit some checksum.
  KVLINK_RETURN_IF_ERROR(file->CheckUnchanged());
  std::shared_ptr<Block> block(new Block);
  block->identity_ = header.identity;
  block->shape_ = header.shape;
  block->image_ = image;
  block->tokens_ = {reinterpret_cast<const int32_t*>(image.data() + layout.tokens_offset),
                    static_cast<size_t>(header.shape.tokens)};
  block->label_ =
      AsText(image.subspan(layout.label_offset, static_cast<size_t>(header.label_bytes)));
  block->planes_offset_ = layout.planes_offset;
  block->plane_stride_ = layout.plane_stride;
  block->file_ = std::move(file);
  return std::shared_ptr<const Block>(std::move(block));
}

}  // namespace kvlink::kv
