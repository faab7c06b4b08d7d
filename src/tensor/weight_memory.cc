#include "tensor/weight_memory.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "base/bytes.h"
#include "base/huge_pages.h"

namespace kvlink::tensor {
namespace {

constexpr int64_t kHugePage = kHugePageBytes;
constexpr int64_t kChunk = int64_t{128} << 20;  // what of it is never touched costs nothing

}  // namespace

void WeightMemory::Free::operator()(void* p) const { std::free(p); }

void* WeightMemory::Take(int64_t bytes) {
  bytes = RoundUp(bytes, 64);
  if (used_ + bytes > size_) {
    const int64_t size = std::max(kChunk, RoundUp(bytes, kHugePage));
    void* chunk = AllocateHugePages(static_cast<size_t>(size));
    if (chunk == nullptr) return nullptr;
    chunks_.emplace_back(chunk);
    used_ = 0;
    size_ = size;
  }
  void* taken = static_cast<std::byte*>(chunks_.back().get()) + used_;
  used_ += bytes;
  return taken;
}

}  // namespace kvlink::tensor
