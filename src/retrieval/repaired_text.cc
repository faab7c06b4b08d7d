// Bytes as well-formed UTF-8 (retrieval/repaired_text.h).
#include "retrieval/repaired_text.h"

#include <algorithm>

#include "text/utf8.h"

namespace kvlink {

RepairedText RepairUtf8(std::string_view bytes) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  RepairedText out;
  out.text.reserve(bytes.size());
  size_t at = 0;
  if (bytes.starts_with(kByteOrderMark)) {
    at = kByteOrderMark.size();
    out.patches.push_back({0, 0, 0, static_cast<int64_t>(at)});
  }
  while (at < bytes.size()) {
    const size_t good = WellFormedEnd(bytes, at);
    out.text.append(bytes.substr(at, good - at));
    if (good == bytes.size()) break;
    at = good;
    while (at < bytes.size()) {
      const Utf8Step step = NextUtf8(bytes, at);
      if (step.kind == Utf8Step::kWhole) break;
      at += step.size;
    }
    const auto begin = static_cast<int64_t>(out.text.size());
    out.text.append(kReplacementCharacter);
    out.patches.push_back({begin, static_cast<int64_t>(good), static_cast<int64_t>(out.text.size()),
                           static_cast<int64_t>(at)});
    out.replaced_bytes += static_cast<int64_t>(at - good);
  }
  return out;
}

int64_t RepairedText::SourceOffset(int64_t offset) const {
  const auto after =
      std::upper_bound(patches.begin(), patches.end(), offset,
                       [](int64_t value, const Patch& patch) { return value < patch.begin; });
  if (after == patches.begin()) return offset;
  const Patch& patch = *(after - 1);
  if (offset < patch.end) return patch.source_begin;
  return patch.source_end + (offset - patch.end);
}

}  // namespace kvlink
