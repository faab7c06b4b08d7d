#include "retrieval/titles.h"

#include <algorithm>

#include "retrieval/boundaries.h"
#include "retrieval/repaired_text.h"

namespace kvlink::retrieval {
namespace {

constexpr std::string_view kEllipsis = "\u2026";

// The last place at or before `at` where a character begins.
size_t CharacterAt(std::string_view text, size_t at) {
  while (at > 0 && at < text.size() && IsUtf8Continuation(text[at])) --at;
  return at;
}

}  // namespace

int64_t MostTitleTokens(int max_tokens) { return std::max(8, max_tokens / 4); }

std::string BoundedTitle(std::string_view title, int64_t most_tokens,
                         const std::function<int64_t(std::string_view)>& count_tokens, bool* cut) {
  std::string whole = RepairUtf8(title).text;
  // A token has one byte at least.
  const auto size = static_cast<int64_t>(whole.size());
  if (size <= most_tokens) return whole;
  // What is far longer than any title is not counted to its end.
  constexpr int64_t kMostBytesAToken = 64;
  const bool countable = size <= most_tokens * kMostBytesAToken;
  if (countable && count_tokens(whole) <= most_tokens) return whole;

  *cut = true;
  const auto cut_at = [&](size_t bytes) {
    const size_t end = CharacterAt(whole, bytes);
    return std::string(whole, 0, Trimmed(whole, {0, end}).end).append(kEllipsis);
  };
  size_t fits = 0;
  size_t too_long = static_cast<size_t>(countable ? size : most_tokens * kMostBytesAToken);
  while (fits + 1 < too_long) {
    const size_t middle = fits + (too_long - fits) / 2;
    (count_tokens(cut_at(middle)) <= most_tokens ? fits : too_long) = middle;
  }
  return cut_at(fits);
}

}  // namespace kvlink::retrieval
