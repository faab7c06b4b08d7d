// Where a text may be cut: paragraphs, sentences, lines, words, characters. Pure, and linear in the
// text. Not here: how many tokens fit (retrieval/splitter.h) and headings (retrieval/markdown.h).
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace kvlink {

struct TextRange {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
};

inline bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
inline bool IsUtf8Continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The range without the spaces at its ends.
TextRange Trimmed(std::string_view text, TextRange range);

// Each returns trimmed ranges, none empty, in order, that together hold every character of `range`
// that is not a space.

// At lines that are blank; in markdown not inside fenced code.
std::vector<TextRange> Paragraphs(std::string_view text, TextRange range, bool markdown);
// At . ! ? before a space, where what stands before is no abbreviation, initial or list number, and
// at the full stops of Chinese and Japanese; also before lines that begin a list item or table row.
std::vector<TextRange> Sentences(std::string_view text, TextRange range);
std::vector<TextRange> Lines(std::string_view text, TextRange range);
// Runs of whole words of about `target_bytes` each; a longer word is a run of its own.
std::vector<TextRange> WordRuns(std::string_view text, TextRange range, size_t target_bytes);
// Runs of whole UTF-8 characters of about `target_bytes` each, at least one character.
std::vector<TextRange> CharacterRuns(std::string_view text, TextRange range, size_t target_bytes);

}  // namespace kvlink
