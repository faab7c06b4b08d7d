// What a store knows of a block without opening it.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "base/hash.h"
#include "kv/block.h"

namespace kvlink::kv {

struct StoredBlock {
  BlockId id{};
  Sha256Digest model{};
  int64_t size_bytes = 0;
  int32_t tokens = 0;
  DType dtype = DType::kF32;
  bool pinned = false;
  int64_t created_ms = 0;
  int64_t last_used_ms = 0;
};

}  // namespace kvlink::kv
