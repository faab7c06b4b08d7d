// BM25F and closeness (retrieval/ranking.h).
#include "retrieval/ranking.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <unordered_map>

#include "retrieval/search_words.h"

namespace kvlink::retrieval {
namespace {

// Chosen on the training sets (docs/search.md).
constexpr double kSaturation = 1.2;
constexpr double kLengthShare = 0.75;
constexpr double kTitleWeight = 6;
constexpr double kNameWeight = 1;
// For two neighbours of the question at most kTogetherWords apart: of the rarer one's rarity.
constexpr double kTogether = 0.5;
constexpr size_t kTogetherWords = 3;

struct Field {
  std::vector<double> counts;  // by word
  std::vector<int> order;      // the words where they stand, -1 for others
};

Field Count(std::string_view text, const std::unordered_map<std::string_view, int>& word_of,
            size_t words) {
  Field field;
  field.counts.resize(words);
  for (const SearchWord& word : SearchWords(text)) {
    if (word.form == SearchWord::kWord) field.order.push_back(-1);
    const auto found = word_of.find(word.word);
    if (found == word_of.end()) continue;
    const bool again = !field.order.empty() && field.order.back() == found->second &&
                       word.form != SearchWord::kWord;
    if (!again) field.counts[static_cast<size_t>(found->second)] += 1;
    if (!field.order.empty()) field.order.back() = found->second;
  }
  return field;
}

// Words next to each other in the question that stand together here, each pair once.
void AddTogether(const std::vector<RankedWord>& words, const Field& field, Rank* rank) {
  std::vector<bool> counted(words.size());
  int last = -1;
  size_t last_at = 0;
  for (size_t i = 0; i < field.order.size(); ++i) {
    const int word = field.order[i];
    if (word < 0) continue;
    if (last >= 0 && word == last + 1 && i - last_at <= kTogetherWords &&
        !counted[static_cast<size_t>(word)]) {
      counted[static_cast<size_t>(word)] = true;
      rank->score += kTogether * std::min(words[static_cast<size_t>(last)].rarity,
                                          words[static_cast<size_t>(word)].rarity);
    }
    last = word;
    last_at = i;
  }
}

}  // namespace

std::vector<Rank> RankTexts(const std::vector<RankedWord>& words,
                            const std::vector<RankedText>& texts) {
  std::unordered_map<std::string_view, int> word_of;
  double all = 0;
  for (size_t w = 0; w < words.size(); ++w) {
    for (const std::string& form : words[w].forms) word_of.emplace(form, static_cast<int>(w));
    all += words[w].rarity;
  }
  std::vector<std::array<Field, 3>> fields;
  double mean = 0;
  for (const RankedText& text : texts) {
    fields.push_back({Count(text.title, word_of, words.size()),
                      Count(text.text, word_of, words.size()),
                      Count(text.file_name, word_of, words.size())});
    mean += static_cast<double>(fields.back()[1].order.size()) / static_cast<double>(texts.size());
  }
  std::vector<Rank> ranks;
  for (const auto& [title, text, name] : fields) {
    Rank rank;
    const double length = static_cast<double>(text.order.size()) / std::max(mean, 1.0);
    const double norm = 1 - kLengthShare + kLengthShare * length;
    double covered = 0;
    for (size_t w = 0; w < words.size(); ++w) {
      const double count =
          text.counts[w] / norm + kTitleWeight * title.counts[w] + kNameWeight * name.counts[w];
      if (count == 0) continue;
      covered += words[w].rarity;
      rank.score += words[w].rarity * count * (kSaturation + 1) / (count + kSaturation);
    }
    rank.coverage = all > 0 ? covered / all : 0;
    for (const Field* field : {&title, &text}) AddTogether(words, *field, &rank);
    ranks.push_back(rank);
  }
  return ranks;
}

}  // namespace kvlink::retrieval
