#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "model/sequence.h"

namespace kvlink::model {

Result<Tail> Tail::Create(int32_t layers, int32_t kv_heads, int32_t head_dim, int64_t capacity,
                          DType dtype) {
  const int64_t stride = std::max<int64_t>(RoundUp(capacity, 16), 16);
  const int64_t plane = RoundUp(kv_heads * stride * head_dim * SizeOf(dtype), 64);
  const int64_t bytes = 2 * layers * plane;
  // calloc: zero pages cost nothing until they are used.
  std::shared_ptr<void> memory(std::calloc(static_cast<size_t>(bytes) + 64, 1), std::free);
  if (memory == nullptr) {
    return ResourceExhausted("no memory for the KV of " + std::to_string(capacity) + " tokens (" +
                             std::to_string(bytes >> 20) +
                             " MiB): ask for fewer documents or --max-tokens");
  }
  char* base = static_cast<char*>(memory.get());
  base += (64 - reinterpret_cast<uintptr_t>(base) % 64) % 64;
  std::vector<void*> keys, values;
  for (int32_t l = 0; l < layers; ++l) {
    keys.push_back(base + 2 * l * plane);
    values.push_back(base + (2 * l + 1) * plane);
  }
  Tail tail(std::move(keys), std::move(values), stride);
  tail.bytes_ = bytes;
  tail.memory_ = std::move(memory);
  return tail;
}

Result<Tail> Tail::Clone() const {
  KVLINK_CHECK(memory_ != nullptr);
  std::shared_ptr<void> memory(std::malloc(static_cast<size_t>(bytes_) + 64), std::free);
  if (memory == nullptr) {
    return ResourceExhausted("no memory for the KV of another answer over the same prompt (" +
                             std::to_string(bytes_ >> 20) + " MiB): ask for fewer answers");
  }
  char* base = static_cast<char*>(memory.get());
  base += (64 - reinterpret_cast<uintptr_t>(base) % 64) % 64;
  const char* from = static_cast<const char*>(keys_.front());
  std::memcpy(base, from, static_cast<size_t>(bytes_));
  Tail tail = *this;
  for (std::vector<void*>* planes : {&tail.keys_, &tail.values_}) {
    for (void*& plane : *planes) plane = base + (static_cast<char*>(plane) - from);
  }
  tail.memory_ = std::move(memory);
  return tail;
}

void Tail::Grow(int64_t count, std::span<const int32_t> segments) {
  KVLINK_CHECK(size_ + count <= stride_);
  const bool any = std::any_of(segments.begin(), segments.end(), [](int32_t s) { return s != 0; });
  if (any || !segment_ids_.empty()) {
    segment_ids_.resize(static_cast<size_t>(size_), 0);
    if (segments.empty()) {
      segment_ids_.resize(static_cast<size_t>(size_ + count), 0);
    } else {
      segment_ids_.insert(segment_ids_.end(), segments.begin(), segments.end());
    }
  }
  size_ += count;
}

void Tail::Truncate(int64_t size) {
  KVLINK_CHECK(size >= 0 && size <= size_);
  size_ = size;
  if (!segment_ids_.empty()) segment_ids_.resize(static_cast<size_t>(size));
}

}  // namespace kvlink::model
