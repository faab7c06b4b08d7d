// A text as the words that a search compares: the one analysis of documents and of questions.
// Folded (case, accents, ligatures, width, vowel signs), stemmed, and cut where the script has
// words: at everything that is no letter or number; in Chinese, Japanese, Thai and their neighbours
// by dictionaries; in Chinese, Japanese and Korean pairs of characters stand beside the words, as
// no two readers cut those scripts alike. Any bytes are taken. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvlink::retrieval {

struct SearchWord {
  enum Form : uint8_t {
    kWord,       // the word's stem, or as a dictionary cuts it
    kUnstemmed,  // the word before, as it is written
    kPair,       // two characters next to each other, from the word before on
    kSingle,     // one ideograph of the word before
    kJoined,  // the word before and what follows as one: a line's end or a zero-width space cut it
  };
  std::string word;
  size_t begin = 0;  // the bytes of the text that it stands for
  size_t end = 0;
  Form form = kWord;  // all but kWord stand at the place of the word before
};

std::vector<SearchWord> SearchWords(std::string_view text);

// The words of a file's name: without its folders and its last ending, cut at letter case and
// digits too, and once uncut. "2024_TaxReturn.md": 2024, Tax, Return, 2024_TaxReturn.
std::string FileNameWords(std::string_view path);

// What decides SearchWords: our own rules, ICU's version. An index made by another is made again.
std::string SearchAnalysisVersion();

}  // namespace kvlink::retrieval
