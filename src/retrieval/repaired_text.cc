// Bytes as well-formed UTF-8 (retrieval/repaired_text.h).
#include "retrieval/repaired_text.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "text/charset.h"
#include "text/unicode.h"

namespace kvlink::retrieval {

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

static RepairedText Decode(std::string_view bytes, std::string charset) {
  if (charset.empty()) return RepairUtf8(bytes);
  RepairedText out;
  bool in_word = false;  // the last character is in the last patch, and more of its word may follow
  const bool known = text::DecodeCharset(bytes, charset, [&](uint32_t c, size_t begin, size_t end) {
    const auto at = static_cast<int64_t>(out.text.size());
    const size_t before = out.text.size();
    text::AppendCharacter(c, &out.text);
    if (out.text.size() == before) out.text += kReplacementCharacter;  // half a surrogate pair
    const bool blank = text::IsWhiteSpace(c);
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

RepairedText ReadText(std::string_view bytes) { return Decode(bytes, text::DetectCharset(bytes)); }

RepairedText ReadTextAs(std::string_view bytes, const std::string& charset) {
  std::string detected = text::DetectCharset(bytes);
  const bool has_mark = bytes.starts_with("\xef\xbb\xbf") || detected.starts_with("UTF-");
  const bool is_ascii = std::all_of(bytes.begin(), bytes.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  const bool is_utf8 = detected.empty() && !is_ascii && WellFormedEnd(bytes, 0) == bytes.size();
  const bool named = !charset.empty() && charset != "utf-8" && charset != "utf8";
  if (!named || has_mark || is_utf8) return Decode(bytes, std::move(detected));
  // By the names of the web: who says ISO-8859-1 or ASCII means windows-1252.
  const bool latin = charset == "iso-8859-1" || charset == "latin1" || charset == "us-ascii";
  RepairedText named_text = Decode(bytes, latin ? "windows-1252" : charset);
  if (is_ascii && named_text.text == bytes) named_text.charset.clear();  // nothing to tell
  return named_text;
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

// The next data: URI in base64 from `from` on; empty: none.
std::string_view NextDataUri(std::string_view text, size_t from) {
  constexpr std::string_view kScheme = "data:", kCoding = ";base64,";
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  constexpr size_t kLongestType = 100, kShortest = 100;
  while ((from = text.find(kScheme, from)) != text.npos) {
    const std::string_view uri = text.substr(from);
    const size_t type = std::min(uri.find_first_of(" \t\r\n\"'()<>"), kLongestType);
    const size_t coding = uri.substr(0, type).find(kCoding);
    if (coding != uri.npos) {
      const size_t begin = coding + kCoding.size();
      const size_t end = std::min(uri.find_first_not_of(kAlphabet, begin), uri.size());
      if (end - begin >= kShortest) return uri.substr(0, end);
    }
    from += kScheme.size();
  }
  return {};
}

int64_t LeaveOutDataUris(RepairedText* repaired) {
  RepairedText out;
  int64_t count = 0;
  size_t kept_to = 0;
  auto patch = repaired->patches.begin();
  // The patches up to `end`, moved to where their text is now. One that a cut runs through is
  // parted.
  const auto keep_to = [&](size_t end) {
    const auto to = static_cast<int64_t>(end), from = static_cast<int64_t>(kept_to);
    const int64_t moved = static_cast<int64_t>(out.text.size()) - from;
    for (; patch != repaired->patches.end() && patch->begin < to; ++patch) {
      const int64_t source_begin =
          patch->begin < from ? repaired->SourceOffset(from) : patch->source_begin;
      const bool parted = patch->end > to;
      out.patches.push_back({std::max(patch->begin, from) + moved, source_begin,
                             std::min(patch->end, to) + moved,
                             parted ? repaired->SourceOffset(to) : patch->source_end});
      if (parted) break;
    }
    out.text.append(repaired->text, kept_to, end - kept_to);
    kept_to = end;
  };
  const std::string_view text = repaired->text;
  for (;;) {
    const std::string_view uri = NextDataUri(text, kept_to);
    if (uri.empty()) break;
    ++count;
    const size_t begin = static_cast<size_t>(uri.data() - text.data()), end = begin + uri.size();
    keep_to(begin);
    const auto cut = static_cast<int64_t>(out.text.size());
    out.patches.push_back({cut, repaired->SourceOffset(static_cast<int64_t>(begin)), cut,
                           repaired->SourceOffset(static_cast<int64_t>(end))});
    kept_to = end;
    while (patch != repaired->patches.end() && patch->end <= static_cast<int64_t>(end)) ++patch;
  }
  if (count == 0) return 0;
  keep_to(text.size());
  repaired->text = std::move(out.text);
  repaired->patches = std::move(out.patches);
  return count;
}

}  // namespace kvlink::retrieval
