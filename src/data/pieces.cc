// Pieces of text (data/pieces.h): words are marked with how good a place to cut follows them, then
// taken greedily.
#include "data/pieces.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "text/unicode.h"

namespace kvlink::data {
namespace {

enum class Cut : uint8_t { kWord, kSentence, kLine };

struct Word {
  size_t begin = 0;
  size_t end = 0;
  Cut after = Cut::kWord;
};

bool EndsLine(uint32_t c) { return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029; }

// Of a script that has no spaces between words.
bool IsUnspaced(uint32_t c) {
  switch (text::ScriptOf(c)) {
    case text::Script::kHan:
    case text::Script::kHiragana:
    case text::Script::kKatakana:
    case text::Script::kSoutheastAsian:
      return true;
    default:
      return false;
  }
}

// The last character, which leaves *text.
uint32_t TakeLast(std::string_view* text) {
  size_t at = text->size() - 1;
  while (at > 0 && text->size() - at < 4 && (static_cast<uint8_t>((*text)[at]) & 0xc0) == 0x80) {
    --at;
  }
  size_t next = at;
  const uint32_t c = text::NextCharacter(*text, &next);
  text->remove_suffix(text->size() - at);
  return c;
}

// A full stop of any script, and a closing quote or bracket that may stand behind it.
bool EndsSentence(std::string_view word) {
  uint32_t last = TakeLast(&word);
  const bool closes = last == '"' || last == '\'' || text::IsClosing(last);
  if (closes && !word.empty()) last = TakeLast(&word);
  return text::IsSentenceEnd(last);
}

bool MayBeginWord(uint32_t next, std::string_view before) {
  const bool closes = text::IsClosing(next) || text::IsSentenceEnd(next);
  return !text::IsPunctuation(next) || (!closes && EndsSentence(before));
}

// Words of what stands between two white spaces: itself, cut by dictionaries beside characters of a
// script without spaces. Punctuation stays with the word before it.
void AddWords(std::string_view text, size_t begin, size_t end, bool unspaced,
              std::vector<Word>* words) {
  const auto add = [&](size_t from, size_t to) {
    const Cut after = EndsSentence(text.substr(from, to - from)) ? Cut::kSentence : Cut::kWord;
    words->push_back({from, to, after});
  };
  const std::string_view run = text.substr(begin, end - begin);
  size_t from = 0;
  if (unspaced) {
    bool is_word = false;                // there is a letter or a number since `from`
    uint32_t last = text::kNoCharacter;  // that letter or number
    size_t at = 0;
    for (const size_t place : text::Breaks(run, text::BreakKind::kWord)) {
      while (at < place) {
        const uint32_t c = text::NextCharacter(run, &at);
        if (!text::IsLetterOrNumber(c)) continue;
        last = c;
        is_word = true;
      }
      if (place == run.size()) break;
      size_t behind = place;
      const uint32_t next = text::NextCharacter(run, &behind);
      if (!is_word || !MayBeginWord(next, run.substr(from, place - from))) continue;
      if (!IsUnspaced(last) && !IsUnspaced(next)) continue;
      add(begin + from, begin + place);
      from = place;
      is_word = false;
    }
  }
  add(begin + from, end);
}

std::vector<Word> WordsOf(std::string_view text) {
  std::vector<Word> words;
  size_t begin = 0;  // of what stands since the last white space
  bool unspaced = false;
  for (size_t at = 0; at < text.size();) {
    const size_t place = at;
    const uint32_t c = text::NextCharacter(text, &at);
    if (!text::IsWhiteSpace(c)) {
      unspaced = unspaced || IsUnspaced(c);
      continue;
    }
    if (place > begin) AddWords(text, begin, place, unspaced, &words);
    if (EndsLine(c) && !words.empty()) words.back().after = Cut::kLine;
    begin = at;
    unspaced = false;
  }
  if (begin < text.size()) AddWords(text, begin, text.size(), unspaced, &words);
  return words;
}

// The number of words to take of the next `most`: up to the last line's end in the second half,
// else the last sentence's, else all.
size_t TakenOf(const Word* words, size_t most) {
  for (const Cut wanted : {Cut::kLine, Cut::kSentence}) {
    for (size_t taken = most; taken > most / 2; --taken) {
      if (words[taken - 1].after >= wanted) return taken;
    }
  }
  return most;
}

}  // namespace

int64_t CountWords(std::string_view text) { return static_cast<int64_t>(WordsOf(text).size()); }

std::vector<std::string_view> CutText(std::string_view text, int64_t max_words) {
  const std::vector<Word> words = WordsOf(text);
  const size_t most = static_cast<size_t>(std::max<int64_t>(max_words, 1));
  std::vector<std::string_view> pieces;
  for (size_t at = 0; at < words.size();) {
    const size_t left = words.size() - at;
    size_t taken = left;
    if (left > most) {
      // Equal shares of what is left, so that the last piece is no crumb; a fifth more than a share
      // gives room to end well.
      const size_t pieces_left = (left + most - 1) / most;
      const size_t share = (left + pieces_left - 1) / pieces_left;
      taken = TakenOf(words.data() + at, std::min(most, share + share / 5));
    }
    pieces.push_back(text.substr(words[at].begin, words[at + taken - 1].end - words[at].begin));
    at += taken;
  }
  return pieces;
}

}  // namespace kvlink::data
