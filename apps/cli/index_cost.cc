#include "cli/index_cost.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/clock.h"
#include "kv/block_format.h"
#include "library/label.h"

namespace kvlink::cli {
namespace {

constexpr int64_t kGigabyte = 1'000'000'000;
constexpr size_t kSample = 64;

// Evenly spread over all.
std::vector<const SourceDocument*> SampleOf(const std::vector<const SourceDocument*>& documents) {
  if (documents.size() <= kSample) return documents;
  std::vector<const SourceDocument*> sample;
  for (size_t i = 0; i < kSample; ++i) sample.push_back(documents[i * documents.size() / kSample]);
  return sample;
}

int64_t Scaled(int64_t of_sample, size_t sample, size_t all) {
  return static_cast<int64_t>(static_cast<double>(of_sample) * static_cast<double>(all) /
                              static_cast<double>(sample));
}

// documents.sqlite: the texts and their words, and a log of some pages a document, which is emptied
// at a thousand pages.
int64_t DatabaseBytes(int64_t documents, int64_t text_bytes) {
  constexpr int64_t kLogBytesADocument = 40 << 10;
  constexpr int64_t kMostLogBytes = 4 << 20;
  return 3 * text_bytes + std::min(documents * kLogBytesADocument, kMostLogBytes);
}

}  // namespace

int64_t BlockBytes(const ModelSummary& model, int64_t tokens, int64_t label_bytes) {
  const BlockShape shape{static_cast<int32_t>(model.layers), static_cast<int32_t>(model.kv_heads),
                         static_cast<int32_t>(model.head_dim), static_cast<int32_t>(tokens),
                         model.dtype == Name(DType::kF32) ? DType::kF32 : DType::kBF16};
  const Result<BlockLayout> layout = LayoutOf(shape, label_bytes);
  return layout.ok() ? layout->image_bytes : 0;  // no block: nothing is stored
}

IndexCost EstimateCost(const Engine& engine, const std::vector<const SourceDocument*>& documents,
                       int64_t budget_left) {
  IndexCost cost;
  cost.documents = static_cast<int64_t>(documents.size());
  const std::vector<const SourceDocument*> sample = SampleOf(documents);
  int64_t label_bytes = 0;
  for (const SourceDocument* document : sample) {
    const Document rendered = ToEngine(*document);
    const int64_t tokens = engine.CountDocumentTokens(rendered);
    cost.tokens += tokens;
    label_bytes += static_cast<int64_t>(rendered.label.size());
    cost.bytes += BlockBytes(engine.model(), tokens, static_cast<int64_t>(rendered.label.size()));
  }
  if (sample.empty()) return cost;
  cost.tokens = Scaled(cost.tokens, sample.size(), documents.size());
  cost.bytes = Scaled(cost.bytes, sample.size(), documents.size());
  if (budget_left >= 0 && cost.bytes > budget_left) {  // what does not fit is not encoded
    cost.tokens =
        static_cast<int64_t>(static_cast<double>(cost.tokens) * static_cast<double>(budget_left) /
                             static_cast<double>(cost.bytes));
    cost.bytes = budget_left;
  }
  cost.bytes += DatabaseBytes(cost.documents, Scaled(label_bytes, sample.size(), documents.size()));
  return cost;
}

void MeasureTime(Engine& engine, const std::vector<const SourceDocument*>& documents,
                 IndexCost* cost) {
  constexpr double kLongest_ms = 1000;
  constexpr size_t kMost = 4;
  double spent_ms = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < std::min(kMost, documents.size()) && spent_ms < kLongest_ms; ++i) {
    const Document document = ToEngine(*documents[i]);
    const double before_ms = Clock::System().MonotonicMs();
    const Result<Encoded> encoded = engine.Encode(document);
    if (!encoded.ok() || encoded->status != "computed") continue;
    spent_ms += Clock::System().MonotonicMs() - before_ms;
    tokens += encoded->tokens;
    (void)engine.RemoveBlock(document);  // not kept, say: as good as removed
  }
  if (tokens > 0) {
    cost->ms = spent_ms * static_cast<double>(cost->tokens) / static_cast<double>(tokens);
  }
}

int64_t FreeBytes(const std::string& folder) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  return error ? -1 : static_cast<int64_t>(space.available);
}

CostVerdict Judge(const IndexCost& cost) {
  const bool knows = cost.free_bytes >= 0;
  if (cost.bytes > 10 * kGigabyte || (knows && cost.bytes > cost.free_bytes)) {
    return CostVerdict::kRefuse;
  }
  if (cost.bytes > kGigabyte || (knows && cost.bytes > cost.free_bytes / 2)) {
    return CostVerdict::kAsk;
  }
  return cost.bytes > kGigabyte / 10 ? CostVerdict::kTell : CostVerdict::kSmall;
}

std::string Describe(const IndexCost& cost) {
  std::string text = FormatCounted(cost.documents, "document") + ", some " +
                     FormatCount(cost.tokens) + " tokens: about " + FormatBytes(cost.bytes) +
                     " on disk";
  if (cost.free_bytes >= 0) text += " (" + FormatBytes(cost.free_bytes) + " free)";
  if (cost.ms >= 0) text += " and " + FormatMs(cost.ms);
  return text;
}

Status Agree(const IndexCost& cost, bool yes, Session& session) {
  const CostVerdict verdict = Judge(cost);
  if (verdict == CostVerdict::kSmall) return {};
  const bool people = session.CanAsk();
  if (verdict == CostVerdict::kRefuse && !people && !yes) {
    return FailedPrecondition(
        Describe(cost) + "; nothing was computed: go on with --yes, or bound it with --budget");
  }
  if (session.chatty()) session.console().Line("index: " + Describe(cost));
  if (verdict == CostVerdict::kTell || !people || yes) return {};
  if (session.Asks("go on?")) return {};
  return Cancelled("stopped before any document was computed");
}

}  // namespace kvlink::cli
