#include "library/index_cost.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/clock.h"
#include "kv/block_format.h"
#include "library/label.h"

namespace kvlink::library {

int64_t BlockBytes(const ModelSummary& model, int64_t tokens, int64_t text_bytes) {
  constexpr int64_t kBytesAround = 256;  // source and place, in the label
  const kv::BlockShape shape{
      static_cast<int32_t>(model.layers), static_cast<int32_t>(model.kv_heads),
      static_cast<int32_t>(model.head_dim), static_cast<int32_t>(tokens), model.dtype};
  const Result<kv::BlockLayout> layout = kv::LayoutOf(shape, text_bytes + kBytesAround);
  return layout.ok() ? layout->image_bytes : 0;  // no block: nothing is stored
}

double MeasureMsPerToken(Engine& engine, retrieval::DocumentIndex& index,
                         const std::vector<std::string>& ids) {
  constexpr double kLongestMs = 1000;
  constexpr size_t kMost = 4;
  double spent_ms = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < std::min(kMost, ids.size()) && spent_ms < kLongestMs; ++i) {
    const Result<IndexedDocument> listed = index.Get(ids[i]);
    if (!listed.ok()) continue;
    const Document document = ToEngine(*listed);
    const double before_ms = Clock::System().MonotonicMs();
    const Result<Encoded> encoded = engine.Encode(document);
    if (!encoded.ok() || encoded->status != EncodeStatus::kComputed) continue;
    spent_ms += Clock::System().MonotonicMs() - before_ms;
    tokens += encoded->tokens;
    (void)engine.RemoveBlock(document);  // not kept, say: as good as removed
  }
  return tokens > 0 ? spent_ms / static_cast<double>(tokens) : -1;
}

int64_t FreeBytes(const std::string& folder) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  return error ? -1 : static_cast<int64_t>(space.available);
}

int64_t RoomOnDisk(int64_t free_bytes) {
  constexpr int64_t kMostLeft = 1'000'000'000;
  return free_bytes - std::min(free_bytes / 10, kMostLeft);
}

}  // namespace kvlink::library
