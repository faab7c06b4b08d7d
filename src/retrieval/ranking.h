// How well texts answer to a question's words: BM25 over title, text and file name as one weighed
// field each (BM25F: Robertson, Zaragoza, Taylor 2004), and a bonus for words that stand together
// as in the question. Pure; the candidates come from retrieval/search.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvlink::retrieval {

struct RankedWord {
  std::vector<std::string> forms;  // any of them is the word
  double rarity = 0;               // its inverse document frequency, >= 0
};

struct RankedText {
  std::string_view title;
  std::string_view text;
  std::string_view file_name;  // its words (FileNameWords)
};

struct Rank {
  double score = 0;     // larger is better; comparable between texts of one question
  double coverage = 0;  // 0..1: the share of the words, weighed by rarity, that the text has
};

// One for each text. The mean length is that of `texts`.
std::vector<Rank> RankTexts(const std::vector<RankedWord>& words,
                            const std::vector<RankedText>& texts);

}  // namespace kvlink::retrieval
