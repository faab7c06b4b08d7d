// Where a text may be cut (retrieval/boundaries.h).
#include "retrieval/boundaries.h"

#include <algorithm>
#include <array>
#include <string>

#include "text/unicode.h"

namespace kvlink::retrieval {
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

uint32_t CharacterAt(std::string_view text, size_t at) { return text::NextCharacter(text, &at); }

// "U.S", "e.g", "Ph.D": letters in groups of one or two.
bool IsDottedLetters(std::string_view word) {
  size_t group = 0;
  bool dotted = false;
  for (size_t at = 0; at < word.size();) {
    const uint32_t c = text::NextCharacter(word, &at);
    if (c == '.') {
      dotted = true;
      group = 0;
    } else if ((!text::IsLowerCase(c) && !text::IsUpperCase(c)) || ++group > 2) {
      return false;
    }
  }
  return dotted;
}

bool IsNumber(std::string_view word) {
  for (size_t at = 0; at < word.size();) {
    if (!text::IsDigit(text::NextCharacter(word, &at))) return false;
  }
  return true;
}

// Whether the dot at `dot`, which a space follows, ends a sentence. `next` is the first character
// after the space.
bool DotEndsSentence(std::string_view text, TextRange range, size_t dot, uint32_t next) {
  if (text::IsLowerCase(next) || next == ',' || next == ';' || next == ':' || next == ')')
    return false;
  size_t begin = dot;
  while (begin > range.begin && dot - begin <= kLongestAbbreviation) {
    const char c = text[begin - 1];
    if (IsSpace(c) || "([{\"'"sv.find(c) != std::string_view::npos) break;
    --begin;
  }
  const std::string_view word = text.substr(begin, dot - begin);
  if (word.empty() || word.size() > kLongestAbbreviation) return true;
  size_t first_size = 0;
  const bool begins_upper = text::IsUpperCase(text::NextCharacter(word, &first_size));
  if (first_size == word.size() && begins_upper) return false;  // "J. Smith"
  if (IsDottedLetters(word)) return false;                      // "U.S. Army"
  if (IsNumber(word)) {
    const bool starts_line = begin == range.begin || text[begin - 1] == '\n';
    return !starts_line;  // "1. First"
  }
  std::string lower;
  for (size_t at = 0; at < word.size();) {
    text::AppendCharacter(text::SimpleLowerCase(text::NextCharacter(word, &at)), &lower);
  }
  if (std::binary_search(kAbbreviations.begin(), kAbbreviations.end(), lower)) return false;
  return !(text::IsDigit(next) &&
           std::binary_search(kBeforeNumbers.begin(), kBeforeNumbers.end(), lower));
}

// The length of a closing quote or bracket at `at`, or 0.
size_t CloserAt(std::string_view text, size_t at, size_t end) {
  if (at >= end) return 0;
  if (")]}\"'*_"sv.find(text[at]) != std::string_view::npos) return 1;
  if (static_cast<unsigned char>(text[at]) < 0x80) return 0;
  size_t next = at;
  return text::IsClosing(text::NextCharacter(text, &next)) ? next - at : 0;
}

// The length of another script's full stop at `at`, or 0.
size_t OtherStopAt(std::string_view text, size_t at) {
  if (static_cast<unsigned char>(text[at]) < 0x80) return 0;
  size_t next = at;
  return text::IsSentenceEnd(text::NextCharacter(text, &next)) ? next - at : 0;
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
    for (int digits = 0; after < end && digits < 9 && text::IsDigit(CharacterAt(text, after));
         ++digits) {
      (void)text::NextCharacter(text, &after);
    }
    if (after == at || after == end || (text[after] != '.' && text[after] != ')')) return false;
    ++after;
  }
  return after < end && (text[after] == ' ' || text[after] == '\t');
}

// Where the line that begins at `at` ends. Looks no further than `end`: a text of one long line
// must not be searched for every range of it.
size_t LineEnd(std::string_view text, size_t at, size_t end) {
  while (at < end && LineBreakAt(text, at) == 0) ++at;
  return at;
}

// U+00A0, U+2007, U+202F: spaces that hold two words together, as do joiners without width.
bool HoldsTogether(uint32_t c) {
  return c == 0xa0 || c == 0x2007 || c == 0x202f || c == 0x2060 || c == 0xfeff;
}

// The bytes of a blank at `at` behind which a line may end, or 0.
size_t WordGapAt(std::string_view text, size_t at) {
  if (static_cast<unsigned char>(text[at]) < 0x80) return IsSpace(text[at]) ? 1 : 0;
  const size_t size = BlankAt(text, at);
  if (size == 0) return 0;
  size_t next = at;
  return HoldsTogether(text::NextCharacter(text, &next)) ? 0 : size;
}

void Push(std::string_view text, TextRange range, std::vector<TextRange>* out) {
  range = Trimmed(text, range);
  if (!range.empty()) out->push_back(range);
}

// Whether offsets, each no smaller than the one before, lie inside blocks.
class BlockCursor {
 public:
  BlockCursor(std::span<const TextRange> blocks, size_t from)
      : next_(std::partition_point(blocks.begin(), blocks.end(),
                                   [&](const TextRange& block) { return block.end <= from; })),
        end_(blocks.end()) {}
  bool IsInside(size_t at) {
    while (next_ != end_ && next_->end <= at) ++next_;
    return next_ != end_ && next_->begin <= at;
  }

 private:
  std::span<const TextRange>::iterator next_, end_;
};

// Runs of what stands between `breaks` (offsets from range.begin on) that may_begin says a run may
// begin at.
template <class MayBegin>
std::vector<TextRange> RunsOf(std::string_view text, TextRange range, size_t target_bytes,
                              const std::vector<size_t>& breaks, MayBegin may_begin) {
  std::vector<TextRange> out;
  size_t begin = range.begin;
  size_t end = range.begin;  // of the run so far
  for (const size_t at : breaks) {
    const size_t next = range.begin + at;
    if (next < range.end && !may_begin(at)) continue;
    if (end > begin && next - begin > target_bytes) {
      Push(text, {begin, end}, &out);
      begin = end;
    }
    end = next;
  }
  Push(text, {begin, range.end}, &out);
  return out;
}

}  // namespace

size_t BlankAt(std::string_view text, size_t at) {
  if (static_cast<unsigned char>(text[at]) < 0x80) return IsSpace(text[at]) ? 1 : 0;
  size_t next = at;
  const uint32_t c = text::NextCharacter(text, &next);
  const bool blank =
      text::IsWhiteSpace(c) || c == 0x200b || c == 0x2060 || c == 0xfeff || c == 0x180e;
  return blank ? next - at : 0;
}

size_t LineBreakAt(std::string_view text, size_t at) {
  switch (text[at]) {
    case '\n':
      return 1;
    case '\xc2':
      return text.substr(at, 2) == "\u0085"sv ? 2 : 0;
    case '\xe2': {
      const std::string_view three = text.substr(at, 3);
      return three == "\u2028"sv || three == "\u2029"sv ? 3 : 0;
    }
    default:
      return 0;
  }
}

TextRange Trimmed(std::string_view text, TextRange range) {
  const std::string_view seen = text.substr(0, range.end);
  while (range.begin < range.end) {
    const size_t size = BlankAt(seen, range.begin);
    if (size == 0) break;
    range.begin += size;
  }
  while (range.end > range.begin) {
    size_t at = range.end - 1;
    while (at > range.begin && range.end - at < 4 && IsUtf8Continuation(text[at])) --at;
    if (BlankAt(seen.substr(0, range.end), at) != range.end - at) break;
    range.end = at;
  }
  return range;
}

std::vector<TextRange> Paragraphs(std::string_view text, TextRange range,
                                  std::span<const TextRange> blocks) {
  std::vector<TextRange> out;
  BlockCursor cursor(blocks, range.begin);
  size_t begin = range.begin;
  for (size_t at = range.begin; at < range.end;) {
    const size_t end = LineEnd(text, at, range.end);
    const bool in_block = cursor.IsInside(at);
    if (!in_block && Trimmed(text, {at, end}).empty()) {
      Push(text, {begin, at}, &out);
      begin = end;
    }
    if (end == range.end) break;
    if (!in_block && text.substr(end, 3) == "\u2029"sv) {
      Push(text, {begin, end}, &out);
      begin = end;
    }
    at = end + LineBreakAt(text, end);
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
    if (const size_t line_break = LineBreakAt(text, i); line_break != 0) {
      if (BeginsItem(text, i + line_break, range.end)) cut(i);
      i += line_break;
      continue;
    }
    const size_t other = OtherStopAt(text, i);
    if (other == 0 && c != '.' && c != '!' && c != '?') {
      ++i;
      continue;
    }
    size_t after = i + (other != 0 ? other : 1);
    while (after < range.end) {
      const size_t more =
          ".!?"sv.find(text[after]) != std::string_view::npos ? 1 : OtherStopAt(text, after);
      if (more == 0) break;
      after += more;
    }
    const bool one_dot = c == '.' && after == i + 1;
    while (const size_t closer = CloserAt(text, after, range.end)) after += closer;
    if (after >= range.end) break;
    if (other != 0) {
      cut(after);
    } else if (BlankAt(text, after) != 0) {
      size_t next = after;
      while (next < range.end && BlankAt(text, next) != 0) next += BlankAt(text, next);
      const uint32_t first = next < range.end ? CharacterAt(text, next) : text::kNoCharacter;
      if (one_dot ? DotEndsSentence(text, range, i, first) : !text::IsLowerCase(first)) cut(after);
    }
    i = after;
  }
  Push(text, {begin, range.end}, &out);
  return out;
}

std::vector<TextRange> Lines(std::string_view text, TextRange range,
                             std::span<const TextRange> blocks) {
  std::vector<TextRange> out;
  BlockCursor cursor(blocks, range.begin);
  size_t begin = range.begin;
  for (size_t at = range.begin; at < range.end;) {
    const size_t end = LineEnd(text, at, range.end);
    if (!cursor.IsInside(end)) {
      Push(text, {begin, end}, &out);
      begin = end;
    }
    at = end < range.end ? end + LineBreakAt(text, end) : end;
  }
  Push(text, {begin, range.end}, &out);
  return out;
}

std::vector<TextRange> WordRuns(std::string_view text, TextRange range, size_t target_bytes) {
  std::vector<TextRange> out;
  TextRange run{range.begin, range.begin};
  for (size_t at = range.begin; at < range.end;) {
    if (const size_t gap = WordGapAt(text, at); gap != 0) {
      at += gap;
      continue;
    }
    const size_t word = at;
    while (at < range.end && WordGapAt(text, at) == 0) ++at;
    if (run.empty()) run.begin = word;
    if (!run.empty() && at - run.begin > target_bytes) {
      Push(text, run, &out);
      run.begin = word;
    }
    run.end = at;
  }
  Push(text, run, &out);
  return out;
}

std::vector<TextRange> WordPartRuns(std::string_view text, TextRange range, size_t target_bytes) {
  const std::string_view seen = text.substr(range.begin, range.size());
  return RunsOf(
      text, range, target_bytes, text::Breaks(seen, text::BreakKind::kWord), [&](size_t at) {
        size_t next = at;
        const uint32_t c = text::NextCharacter(seen, &next);
        // Signs that stand inside paths and the like may begin a run, marks that close may not.
        return !text::IsClosing(c) && !text::IsSentenceEnd(c) &&
               !(text::IsPunctuation(c) && c > 0x2000) && c != ',' && c != ';' && c != ':';
      });
}

std::vector<TextRange> ClusterRuns(std::string_view text, TextRange range, size_t target_bytes) {
  const std::string_view seen = text.substr(range.begin, range.size());
  return RunsOf(text, range, target_bytes, text::Breaks(seen, text::BreakKind::kCharacter),
                [](size_t) { return true; });
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

}  // namespace kvlink::retrieval
