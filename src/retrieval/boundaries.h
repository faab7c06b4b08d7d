// Where a text may be cut: paragraphs, sentences, lines, words, grapheme clusters.
// Pure, and linear in the text. Not here: how many tokens fit (retrieval/splitter.h) and headings
// (retrieval/text_structure.h).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace kvlink::retrieval {

struct TextRange {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
};

inline bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
inline bool IsUtf8Continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The bytes of a blank at `at`, or 0: white space of any script, and what has no width (zero-width
// spaces, byte order marks).
size_t BlankAt(std::string_view text, size_t at);
// The bytes of the end of a line at `at`, or 0: a newline, U+0085, U+2028, U+2029.
size_t LineBreakAt(std::string_view text, size_t at);

// The range without the blanks at its ends.
TextRange Trimmed(std::string_view text, TextRange range);

// Each returns trimmed ranges, none empty, in order, that together hold every character of `range`
// that is not a blank.

// At lines that are blank and at U+2029, but not inside one of `blocks`, which are sorted.
std::vector<TextRange> Paragraphs(std::string_view text, TextRange range,
                                  std::span<const TextRange> blocks = {});
// At . ! ? before a space, where what stands before is no abbreviation, initial or list number, and
// at the sentence ends of other scripts; also before lines that begin a list item or table row.
std::vector<TextRange> Sentences(std::string_view text, TextRange range);
// At every end of a line, but not inside one of `blocks`, which are sorted.
std::vector<TextRange> Lines(std::string_view text, TextRange range,
                             std::span<const TextRange> blocks = {});
// Runs of about `target_bytes` each. Of whole words between blanks that allow a line's end (U+00A0
// does not); a longer word is a run of its own.
std::vector<TextRange> WordRuns(std::string_view text, TextRange range, size_t target_bytes);
// Of what Unicode calls words, by dictionaries where a script has no spaces: for what stands
// between two blanks and is too long. No run begins with a closing mark or a full stop.
std::vector<TextRange> WordPartRuns(std::string_view text, TextRange range, size_t target_bytes);
// Of whole grapheme clusters, what a reader takes for one character; at least one.
std::vector<TextRange> ClusterRuns(std::string_view text, TextRange range, size_t target_bytes);
// Of whole UTF-8 characters, at least one: for clusters without end.
std::vector<TextRange> CharacterRuns(std::string_view text, TextRange range, size_t target_bytes);

}  // namespace kvlink::retrieval
