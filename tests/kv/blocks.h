// Blocks for tests: small, deterministic in a seed, comparable.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "kv/block.h"

namespace kvlink::testing {

inline constexpr kv::BlockShape kTinyShape = {
    .layers = 2, .kv_heads = 2, .head_dim = 8, .tokens = 5, .dtype = DType::kF32};

inline Sha256Digest DigestOf(std::string_view text) { return Sha256().Field(text).Finish(); }

inline kv::BlockId IdOf(uint64_t seed) { return DigestOf("block " + std::to_string(seed)); }

// A block whose id, tokens and planes follow from the seed.
inline std::shared_ptr<const kv::Block> MakeBlock(uint64_t seed, kv::BlockShape shape = kTinyShape,
                                                  std::string_view model = "model") {
  std::mt19937_64 random(seed);
  std::vector<int32_t> tokens(static_cast<size_t>(shape.tokens));
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 50'000);
  Result<kv::BlockBuilder> builder =
      kv::BlockBuilder::Create({IdOf(seed), DigestOf(model)}, shape, tokens,
                               "{\"title\":\"document " + std::to_string(seed) + "\"}");
  if (!builder.ok()) {
    ADD_FAILURE() << builder.status().message();
    return nullptr;
  }
  const int64_t row_bytes = shape.head_dim * SizeOf(shape.dtype);
  for (int32_t layer = 0; layer < shape.layers; ++layer) {
    for (void* plane : {builder->keys(layer), builder->values(layer)}) {
      for (int64_t head = 0; head < shape.kv_heads; ++head) {
        auto* out = static_cast<uint8_t*>(plane) + head * shape.padded_tokens() * row_bytes;
        for (int64_t i = 0; i < shape.tokens * row_bytes; ++i) {
          out[i] = static_cast<uint8_t>(random());
        }
      }
    }
  }
  return std::move(*builder).Finish();
}

inline bool SameBytes(const kv::Block& a, const kv::Block& b) {
  return a.image().size() == b.image().size() &&
         std::memcmp(a.image().data(), b.image().data(), a.image().size()) == 0;
}

// Bytes in memory as if mapped: aligned, and of exactly the given size so that a sanitizer sees
// every read beyond it.
class MemoryFile : public MappedFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes) : size_(bytes.size()) {
    data_ = static_cast<std::byte*>(::operator new (size_, std::align_val_t{64}));
    if (size_ > 0) std::memcpy(data_, bytes.data(), size_);
  }
  ~MemoryFile() override { ::operator delete (data_, std::align_val_t{64}); }
  std::span<const std::byte> bytes() const override { return {data_, size_}; }

 private:
  size_t size_;
  std::byte* data_;
};

inline Result<std::shared_ptr<const kv::Block>> OpenBytes(std::span<const std::byte> bytes,
                                                          bool verify_planes = true) {
  return kv::OpenBlock(std::make_shared<MemoryFile>(bytes), verify_planes);
}

}  // namespace kvlink::testing
