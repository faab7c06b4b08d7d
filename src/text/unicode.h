// Characters, words and boundaries as Unicode defines them: case, classes, scripts and breaks, all
// by ICU. Not here: what UTF-8 is well-formed (base/utf8.h), the pieces a model's tokenizer cuts
// (text/pre_tokenizer.h). Any bytes are taken; those that are not UTF-8 are no characters. Where
// ICU has no memory, or the text is longer than it can count, std::bad_alloc is thrown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvlink::text {

// The character at *at, which moves behind it; an ill-formed byte is kNoCharacter.
// REQUIRES: *at < text.size()
inline constexpr uint32_t kNoCharacter = 0xffffffff;
uint32_t NextCharacter(std::string_view text, size_t* at);
void AppendCharacter(uint32_t c, std::string* out);

bool IsLetterOrNumber(uint32_t c);  // categories L and N
bool IsMark(uint32_t c);            // category M
bool IsLowerCase(uint32_t c);
bool IsUpperCase(uint32_t c);
bool IsDigit(uint32_t c);              // category Nd
bool IsWhiteSpace(uint32_t c);         // the property White_Space
bool IsIgnorable(uint32_t c);          // the property Default_Ignorable_Code_Point
bool IsSentenceEnd(uint32_t c);        // the property Sentence_Terminal
bool IsClosing(uint32_t c);            // closing brackets and quotation marks: categories Pe and Pf
bool IsPunctuation(uint32_t c);        // category P
uint32_t SimpleLowerCase(uint32_t c);  // the lower case that is one character, else c

// The scripts whose words need something of their own.
enum class Script : uint8_t {
  kLatin,
  kGreek,
  kCyrillic,
  kArmenian,
  kHebrew,
  kArabic,
  kDevanagari,
  kTamil,
  kHan,
  kHiragana,
  kKatakana,
  kHangul,
  kSoutheastAsian,  // Thai, Lao, Khmer, Burmese: words without spaces, found by dictionaries
  kCommon,          // digits, marks and punctuation of any script
  kOther,
};
Script ScriptOf(uint32_t c);

// NFKC with case folded and ignorable characters left out (NFKC_Casefold): ligatures, full width,
// sharp s and soft hyphens become what they stand for.
std::string FoldCase(std::string_view text);
// Without accents, Arabic and Hebrew vowel signs and the tatweel; other marks spell words and stay.
std::string WithoutAccents(std::string_view text);

enum class BreakKind : uint8_t { kCharacter, kWord, kSentence };
// The byte offsets at which the text may be cut, in order: 0 is none of them, text.size() is the
// last. Empty for an empty text. Characters are grapheme clusters.
std::vector<size_t> Breaks(std::string_view text, BreakKind kind);

// ICU's own version, which decides what all of this gives.
std::string UnicodeLibraryVersion();

}  // namespace kvlink::text
