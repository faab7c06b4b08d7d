// Pieces of text (data/pieces.h): words are marked with how good a place to cut follows them, then
// taken greedily.
#include "data/pieces.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace kvlink {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

enum class Cut : uint8_t { kWord, kSentence, kLine };

struct Word {
  size_t begin = 0;
  size_t end = 0;
  Cut after = Cut::kWord;
};

// . ! ? and what may stand between them and the space: closing quotes and brackets.
bool EndsSentence(std::string_view word) {
  for (const std::string_view closing : {"\"", "'", ")", "]", "\xe2\x80\x9d", "\xe2\x80\x99"}) {
    if (word.size() > closing.size() && word.ends_with(closing)) {
      word.remove_suffix(closing.size());
      break;
    }
  }
  return word.ends_with('.') || word.ends_with('!') || word.ends_with('?');
}

std::vector<Word> WordsOf(std::string_view text) {
  std::vector<Word> words;
  for (size_t at = 0; at < text.size();) {
    if (IsSpace(text[at])) {
      if (text[at] == '\n' && !words.empty()) words.back().after = Cut::kLine;
      ++at;
      continue;
    }
    Word word{at, at, Cut::kWord};
    while (at < text.size() && !IsSpace(text[at])) ++at;
    word.end = at;
    if (EndsSentence(text.substr(word.begin, at - word.begin))) word.after = Cut::kSentence;
    words.push_back(word);
  }
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

int64_t CountWords(std::string_view text) {
  int64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    words += !inside && !IsSpace(c);
    inside = !IsSpace(c);
  }
  return words;
}

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

}  // namespace kvlink
