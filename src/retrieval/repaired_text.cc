// Bytes as well-formed UTF-8 (retrieval/repaired_text.h).
#include "retrieval/repaired_text.h"

#include <algorithm>
#include <utility>

#include "text/charset.h"
#include "text/unicode.h"
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

// From here on scripts write no spaces, and a word may be as long as its text.
constexpr uint32_t kFirstIdeographic = 0x2e80;

RepairedText ReadText(std::string_view bytes) {
  std::string charset = DetectCharset(bytes);
  if (charset.empty()) return RepairUtf8(bytes);
  RepairedText out;
  bool in_word = false;  // the last character is in the last patch, and more of its word may follow
  const bool known = DecodeCharset(bytes, charset, [&](uint32_t c, size_t begin, size_t end) {
    const auto at = static_cast<int64_t>(out.text.size());
    const size_t before = out.text.size();
    AppendCharacter(c, &out.text);
    if (out.text.size() == before) out.text += kReplacementCharacter;  // half a surrogate pair
    const bool blank = IsWhiteSpace(c);
    const bool same_size = out.text.size() - before == end - begin;
    const auto after = static_cast<int64_t>(out.text.size());
    if (in_word && !blank) {
      out.patches.back().end = after;
      out.patches.back().source_end = static_cast<int64_t>(end);
    } else if (!same_size || out.patches.empty()) {
      out.patches.push_back({at, static_cast<int64_t>(begin), after, static_cast<int64_t>(end)});
      in_word = true;
    }
    in_word &= !blank && c < kFirstIdeographic;
  });
  if (!known) return RepairUtf8(bytes);
  out.charset = std::move(charset);
  return out;
}

int64_t RepairedText::SourceOffset(int64_t offset) const {
  const auto after =
      std::upper_bound(patches.begin(), patches.end(), offset,
                       [](int64_t value, const Patch& patch) { return value < patch.begin; });
  if (after == patches.begin()) return offset;
  const Patch& patch = *(after - 1);
  if (offset < patch.end) {
    if (charset.empty()) return patch.source_begin;
    return patch.source_begin + (offset - patch.begin) * (patch.source_end - patch.source_begin) /
                                    (patch.end - patch.begin);
  }
  return patch.source_end + (offset - patch.end);
}

}  // namespace kvlink
