#include "retrieval/choose_passages.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>

namespace kvlink {
namespace {

// Pairs of words that follow each other, in small letters; of a text of one word, that word. Single
// words would not tell "the cat bit the dog" from "the dog bit the cat".
std::unordered_set<std::string> WordPairs(std::string_view text) {
  std::unordered_set<std::string> pairs;
  std::string before, word;
  for (size_t i = 0; i <= text.size(); ++i) {
    const unsigned char c = i < text.size() ? static_cast<unsigned char>(text[i]) : ' ';
    if (c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
      word += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    } else if (!word.empty()) {
      if (!before.empty()) pairs.insert(before + ' ' + word);
      before = std::move(word);
      word.clear();
    }
  }
  if (pairs.empty() && !before.empty()) pairs.insert(before);
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

}  // namespace kvlink
