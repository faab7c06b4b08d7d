#include "cli/index_cost_output.h"

namespace kvlink::cli {
namespace {

// "1,764 documents, some 170,000 tokens: about 3.7 GiB on disk (12.0 GiB free) and 7:10 min"
std::string Describe(const IndexCost& cost) {
  std::string text = FormatCounted(cost.documents, "document") + ", some " +
                     FormatCount(cost.tokens) + " tokens: about " + FormatBytes(cost.bytes) +
                     " on disk";
  if (cost.free_bytes >= 0) text += " (" + FormatBytes(cost.free_bytes) + " free)";
  if (cost.planned < cost.documents) {
    text += "; " + FormatCount(cost.planned) + " of them get blocks now, about " +
            FormatBytes(cost.planned_bytes);
  }
  if (cost.ms >= 0) text += " and " + FormatMs(cost.ms);
  return text;
}

}  // namespace

Status Agree(const IndexCost& cost, bool yes, Session& session) {
  constexpr int64_t kGigabyte = 1'000'000'000;
  const bool knows = cost.free_bytes >= 0;
  const auto much = [&](int64_t bytes) {
    return bytes > kGigabyte || (knows && bytes > cost.free_bytes / 2);
  };
  if (!much(cost.bytes) && cost.bytes <= kGigabyte / 10) return {};
  if (session.chatty()) session.console().Line("index: " + Describe(cost));
  if (!much(cost.planned_bytes) || yes || !session.CanAsk()) return {};
  if (session.Asks("go on?")) return {};
  return Cancelled(
      "index: stopped before any document was computed; they are listed, and computed when they "
      "are asked "
      "for");
}

}  // namespace kvlink::cli
