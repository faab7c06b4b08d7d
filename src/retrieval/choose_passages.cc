#include "retrieval/choose_passages.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "retrieval/search_words.h"

namespace kvlink::retrieval {
namespace {

// Pairs of words that follow each other, as they are written but for case and accents; of a text of
// one word, that word. Single words would not tell "the cat bit the dog" from "the dog bit the
// cat", nor stems "it is open" from "it is opened".
std::unordered_set<std::string> WordPairs(std::string_view text) {
  std::vector<std::string> words;
  for (SearchWord& word : SearchWords(text)) {
    if (word.form == SearchWord::kWord) {
      words.push_back(std::move(word.word));
    } else if (word.form == SearchWord::kUnstemmed) {
      words.back() = std::move(word.word);
    }
  }
  std::unordered_set<std::string> pairs;
  if (words.size() == 1) pairs.insert(words.front());
  for (size_t i = 1; i < words.size(); ++i) pairs.insert(words[i - 1] + ' ' + words[i]);
  return pairs;
}

bool IsPartOf(const std::unordered_set<std::string>& pairs,
              const std::unordered_set<std::string>& whole) {
  return std::all_of(pairs.begin(), pairs.end(),
                     [&](const std::string& pair) { return whole.contains(pair); });
}

}  // namespace

std::vector<size_t> ChoosePassages(std::span<const SearchHit> hits, const PassageChoice& choice) {
  std::vector<size_t> chosen;
  std::vector<std::unordered_set<std::string>> said;
  for (size_t i = 0; i < hits.size() && static_cast<int>(chosen.size()) < choice.most; ++i) {
    if (i > 0 && hits[i].score < choice.least_share * hits[0].score) break;
    std::unordered_set<std::string> pairs = WordPairs(hits[i].document.text);
    const bool nothing_new = std::any_of(
        said.begin(), said.end(), [&](const auto& better) { return IsPartOf(pairs, better); });
    if (nothing_new) continue;
    chosen.push_back(i);
    said.push_back(std::move(pairs));
  }
  std::reverse(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace kvlink::retrieval
