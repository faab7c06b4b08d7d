#include "library/pattern.h"

#include <vector>

#include "base/utf8.h"

namespace kvlink::library {
namespace {

constexpr std::string_view kSpecial = "*?[";

// UTF-8 sorts as its characters do, so that ranges can be compared by bytes.
using Characters = std::vector<std::string_view>;

Characters CharactersOf(std::string_view text) {
  Characters characters;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = NextUtf8(text, at);
    const size_t size = step.kind == Utf8Step::kWhole ? step.size : 1;
    characters.push_back(text.substr(at, size));
    at += size;
  }
  return characters;
}

// Whether the character is what the pattern has at `at`, which ends at *next.
bool MatchesOne(const Characters& pattern, size_t at, std::string_view c, size_t* next) {
  *next = at + 1;
  if (pattern[at] == "?") return true;
  if (pattern[at] == "\\" && at + 1 < pattern.size()) {
    *next = at + 2;
    return pattern[at + 1] == c;
  }
  if (pattern[at] != "[") return pattern[at] == c;
  size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == "!" || pattern[i] == "^");
  if (negated) ++i;
  bool within = false;
  for (const size_t first = i; i < pattern.size() && (pattern[i] != "]" || i == first); ++i) {
    if (pattern[i] == "\\" && i + 1 < pattern.size()) ++i;
    const std::string_view least = pattern[i];
    std::string_view most = least;
    if (i + 2 < pattern.size() && pattern[i + 1] == "-" && pattern[i + 2] != "]") {
      most = pattern[i += 2];
    }
    within |= least <= c && c <= most;
  }
  if (i == pattern.size()) return c == "[";  // never closed
  *next = i + 1;
  return within != negated;
}

}  // namespace

size_t PatternBegin(std::string_view word) { return word.find_first_of(kSpecial); }

bool IsPattern(std::string_view word) { return PatternBegin(word) != word.npos; }

bool MatchesPattern(std::string_view pattern_bytes, std::string_view text_bytes) {
  const Characters pattern = CharactersOf(pattern_bytes), text = CharactersOf(text_bytes);
  size_t in_pattern = 0, in_text = 0;
  // Behind the last * and what it has taken so far: where nothing else helps, it takes one more.
  size_t behind_star = 0, taken = 0;
  while (in_text < text.size()) {
    size_t next = 0;
    if (in_pattern < pattern.size() && pattern[in_pattern] == "*") {
      behind_star = ++in_pattern;
      taken = in_text;
    } else if (in_pattern < pattern.size() &&
               MatchesOne(pattern, in_pattern, text[in_text], &next)) {
      in_pattern = next;
      ++in_text;
    } else if (behind_star > 0) {
      in_pattern = behind_star;
      in_text = ++taken;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == "*") ++in_pattern;
  return in_pattern == pattern.size();
}

std::string EscapedPattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (c == '\\' || kSpecial.find(c) != kSpecial.npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace kvlink::library
