// Where a text may be cut (retrieval/boundaries.h).
#include "retrieval/boundaries.h"

#include <algorithm>
#include <array>

#include "retrieval/markdown.h"

namespace kvlink {
namespace {

using namespace std::string_view_literals;

// Sorted, lower case, without the last dot. After these a sentence goes on.
constexpr std::array kAbbreviations = {
    "al"sv,  "approx"sv, "assn"sv, "bros"sv, "bzw"sv,  "ca"sv,     "capt"sv, "cf"sv,  "cmdr"sv,
    "co"sv,  "col"sv,    "corp"sv, "dept"sv, "dr"sv,   "ed"sv,     "eds"sv,  "eq"sv,  "esp"sv,
    "est"sv, "etc"sv,    "evtl"sv, "fig"sv,  "figs"sv, "gen"sv,    "gov"sv,  "hon"sv, "hr"sv,
    "inc"sv, "jr"sv,     "lt"sv,   "ltd"sv,  "maj"sv,  "messrs"sv, "mr"sv,   "mrs"sv, "ms"sv,
    "mt"sv,  "nr"sv,     "op"sv,   "pp"sv,   "prof"sv, "rep"sv,    "resp"sv, "rev"sv, "sen"sv,
    "sgt"sv, "sr"sv,     "st"sv,   "univ"sv, "usw"sv,  "vgl"sv,    "viz"sv,  "vol"sv, "vs"sv};
static_assert(std::is_sorted(kAbbreviations.begin(), kAbbreviations.end()));

// Words of their own, but abbreviations before a number ("No. 5", "Mar. 3", "p. 12").
constexpr std::array kBeforeNumbers = {
    "apr"sv, "art"sv, "aug"sv, "c"sv,   "ch"sv,  "dec"sv, "feb"sv, "jan"sv, "jul"sv, "jun"sv,
    "mar"sv, "no"sv,  "nos"sv, "nov"sv, "oct"sv, "p"sv,   "sec"sv, "sep"sv, "sept"sv};
static_assert(std::is_sorted(kBeforeNumbers.begin(), kBeforeNumbers.end()));

constexpr size_t kLongestAbbreviation = 16;

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return IsLower(c) || IsUpper(c); }

// "U.S", "e.g", "Ph.D": letters in groups of one or two.
bool IsDottedLetters(std::string_view word) {
  size_t group = 0;
  bool dotted = false;
  for (const char c : word) {
    if (c == '.') {
      dotted = true;
      group = 0;
    } else if (!IsLetter(c) || ++group > 2) {
      return false;
    }
  }
  return dotted;
}

// Whether the dot at `dot`, which a space follows, ends a sentence. `next` is the first character
// after the space.
bool DotEndsSentence(std::string_view text, TextRange range, size_t dot, char next) {
  if (IsLower(next) || ",;:)"sv.find(next) != std::string_view::npos) return false;
  size_t begin = dot;
  while (begin > range.begin && dot - begin <= kLongestAbbreviation) {
    const char c = text[begin - 1];
    if (IsSpace(c) || "([{\"'"sv.find(c) != std::string_view::npos) break;
    --begin;
  }
  const std::string_view word = text.substr(begin, dot - begin);
  if (word.empty() || word.size() > kLongestAbbreviation) return true;
  if (word.size() == 1 && IsUpper(word[0])) return false;  // "J. Smith"
  if (IsDottedLetters(word)) return false;                 // "U.S. Army"
  if (std::all_of(word.begin(), word.end(), IsDigit)) {
    const bool starts_line = begin == range.begin || text[begin - 1] == '\n';
    return !starts_line;  // "1. First"
  }
  std::string lower(word);
  for (char& c : lower) c = IsUpper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  if (std::binary_search(kAbbreviations.begin(), kAbbreviations.end(), lower)) return false;
  return !(IsDigit(next) &&
           std::binary_search(kBeforeNumbers.begin(), kBeforeNumbers.end(), lower));
}

// The length of a closing quote or bracket at `at`, or 0.
size_t CloserAt(std::string_view text, size_t at, size_t end) {
  const std::string_view rest = text.substr(at, end - at);
  if (rest.empty()) return 0;
  if (")]}\"'*_"sv.find(rest[0]) != std::string_view::npos) return 1;
  for (const std::string_view closer :
       {"\u201d"sv, "\u2019"sv, "\u00bb"sv, "\u300d"sv, "\u300f"sv, "\uff09"sv}) {
    if (rest.starts_with(closer)) return closer.size();
  }
  return 0;
}

// The length of a full stop of Chinese or Japanese at `at`, or 0.
size_t WideStopAt(std::string_view text, size_t at) {
  for (const std::string_view stop : {"\u3002"sv, "\uff01"sv, "\uff1f"sv}) {
    if (text.substr(at, stop.size()) == stop) return stop.size();
  }
  return 0;
}

// Whether a line that begins at `at` is a list item, a table row or a quotation.
bool BeginsItem(std::string_view text, size_t at, size_t end) {
  while (at < end && (text[at] == ' ' || text[at] == '\t')) ++at;
  if (at == end) return false;
  if (text[at] == '|' || text[at] == '>') return true;
  size_t after = at;
  if ("-*+"sv.find(text[at]) != std::string_view::npos) {
    after = at + 1;
  } else if (text.substr(at, 3) == "\u2022"sv) {
    after = at + 3;
  } else {
    while (after < end && after - at < 9 && IsDigit(text[after])) ++after;
    if (after == at || after == end || (text[after] != '.' && text[after] != ')')) return false;
    ++after;
  }
  return after < end && (text[after] == ' ' || text[after] == '\t');
}

// Looks no further than `end`: a text of one long line must not be searched for every range of it.
size_t LineEnd(std::string_view text, size_t at, size_t end) {
  const size_t newline = text.substr(at, end - at).find('\n');
  return newline == std::string_view::npos ? end : at + newline;
}

void Push(std::string_view text, TextRange range, std::vector<TextRange>* out) {
  range = Trimmed(text, range);
  if (!range.empty()) out->push_back(range);
}

}  // namespace

TextRange Trimmed(std::string_view text, TextRange range) {
  while (range.begin < range.end && IsSpace(text[range.begin])) ++range.begin;
  while (range.end > range.begin && IsSpace(text[range.end - 1])) --range.end;
  return range;
}

std::vector<TextRange> Paragraphs(std::string_view text, TextRange range, bool markdown) {
  std::vector<TextRange> out;
  FenceTracker fence;
  size_t begin = range.begin;
  for (size_t at = range.begin; at < range.end;) {
    const size_t newline = LineEnd(text, at, range.end);
    const std::string_view line = text.substr(at, newline - at);
    const bool in_code = markdown && fence.Feed(line);
    if (!in_code && std::all_of(line.begin(), line.end(), IsSpace)) {
      Push(text, {begin, at}, &out);
      begin = newline;
    }
    at = newline + 1;
  }
  Push(text, {begin, range.end}, &out);
  return out;
}

std::vector<TextRange> Sentences(std::string_view text, TextRange range) {
  std::vector<TextRange> out;
  size_t begin = range.begin;
  const auto cut = [&](size_t at) {
    Push(text, {begin, at}, &out);
    begin = at;
  };
  for (size_t i = range.begin; i < range.end;) {
    const char c = text[i];
    if (c == '\n') {
      if (BeginsItem(text, i + 1, range.end)) cut(i);
      ++i;
      continue;
    }
    const size_t wide = WideStopAt(text, i);
    if (wide == 0 && c != '.' && c != '!' && c != '?') {
      ++i;
      continue;
    }
    size_t after = i + (wide != 0 ? wide : 1);
    while (after < range.end && ".!?"sv.find(text[after]) != std::string_view::npos) ++after;
    const bool one_dot = c == '.' && after == i + 1;
    while (const size_t closer = CloserAt(text, after, range.end)) after += closer;
    if (after >= range.end) break;
    if (wide != 0) {
      cut(after);
    } else if (IsSpace(text[after])) {
      size_t next = after;
      while (next < range.end && IsSpace(text[next])) ++next;
      const char first = next < range.end ? text[next] : '\0';
      if (one_dot ? DotEndsSentence(text, range, i, first) : !IsLower(first)) cut(after);
    }
    i = after;
  }
  Push(text, {begin, range.end}, &out);
  return out;
}

std::vector<TextRange> Lines(std::string_view text, TextRange range) {
  std::vector<TextRange> out;
  for (size_t at = range.begin; at < range.end;) {
    const size_t newline = LineEnd(text, at, range.end);
    Push(text, {at, newline}, &out);
    at = newline + 1;
  }
  return out;
}

std::vector<TextRange> WordRuns(std::string_view text, TextRange range, size_t target_bytes) {
  std::vector<TextRange> out;
  size_t begin = range.begin;
  while (begin < range.end) {
    while (begin < range.end && IsSpace(text[begin])) ++begin;
    size_t end = std::min(range.end, begin + std::max<size_t>(target_bytes, 1));
    if (end < range.end) {
      size_t back = end;
      while (back > begin && !IsSpace(text[back])) --back;
      if (back > begin) {
        end = back;
      } else {
        while (end < range.end && !IsSpace(text[end])) ++end;
      }
    }
    Push(text, {begin, end}, &out);
    begin = end;
  }
  return out;
}

std::vector<TextRange> CharacterRuns(std::string_view text, TextRange range, size_t target_bytes) {
  std::vector<TextRange> out;
  size_t begin = range.begin;
  while (begin < range.end) {
    size_t end = std::min(range.end, begin + std::max<size_t>(target_bytes, 1));
    // A character has at most three continuation bytes; more of them are no UTF-8 and may be cut.
    for (int i = 0; i < 3 && end < range.end && IsUtf8Continuation(text[end]); ++i) ++end;
    Push(text, {begin, end}, &out);
    begin = end;
  }
  return out;
}

}  // namespace kvlink
