// Metrics of answers (eval/metrics.h).
#include "eval/metrics.h"

#include <algorithm>
#include <cstddef>
#include <map>

#include "eval/characters.h"

namespace kvlink::eval {
namespace {

bool IsAsciiPunctuation(char c) {  // Python's string.punctuation
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

std::vector<std::string_view> Words(std::string_view normalized) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < normalized.size();) {
    const size_t end = std::min(normalized.find(' ', at), normalized.size());
    words.push_back(normalized.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

double F1(std::string_view prediction, std::string_view answer) {
  const std::vector<std::string_view> predicted = Words(prediction);
  const std::vector<std::string_view> wanted = Words(answer);
  if (predicted.empty() || wanted.empty()) return predicted.size() == wanted.size() ? 1 : 0;
  std::map<std::string_view, int> left;
  for (const std::string_view word : wanted) ++left[word];
  double same = 0;
  for (const std::string_view word : predicted) {
    if (const auto found = left.find(word); found != left.end() && found->second > 0) {
      --found->second;
      ++same;
    }
  }
  if (same == 0) return 0;
  const double precision = same / static_cast<double>(predicted.size());
  const double recall = same / static_cast<double>(wanted.size());
  return 2 * precision * recall / (precision + recall);
}

template <class Score>
double Best(std::string_view prediction, const std::vector<std::string>& answers, Score score) {
  const std::string normalized = NormalizeAnswer(prediction);
  double best = 0;
  for (const std::string& answer : answers) {
    best = std::max<double>(best, score(normalized, NormalizeAnswer(answer)));
  }
  return best;
}

}  // namespace

std::string NormalizeAnswer(std::string_view text) {
  std::string lower = LowerCase(text);
  lower.erase(std::remove_if(lower.begin(), lower.end(), IsAsciiPunctuation), lower.end());
  std::string out;
  // A run of word characters is kept or, if it is an article, becomes a space; white space becomes
  // one space between what is kept; any other character stands for itself.
  bool space = false;
  const auto keep = [&](std::string_view kept) {
    if (space && !out.empty()) out.push_back(' ');
    space = false;
    out += kept;
  };
  for (size_t at = 0, size = 0; at < lower.size();) {
    const uint32_t c = DecodeCharacter(lower, at, &size);
    if (!IsWordCharacter(c)) {
      if (IsSpaceCharacter(c)) {
        space = true;
      } else {
        keep(std::string_view(lower).substr(at, size));
      }
      at += size;
      continue;
    }
    const size_t begin = at;
    while (at < lower.size() && IsWordCharacter(DecodeCharacter(lower, at, &size))) at += size;
    const std::string_view word = std::string_view(lower).substr(begin, at - begin);
    if (word == "a" || word == "an" || word == "the") {
      space = true;
    } else {
      keep(word);
    }
  }
  return out;
}

double BestSubspanEm(std::string_view prediction, const std::vector<std::string>& answers) {
  return Best(prediction, answers, [](const std::string& predicted, const std::string& answer) {
    return predicted.find(answer) != std::string::npos ? 1 : 0;
  });
}

double ExactMatch(std::string_view prediction, const std::vector<std::string>& answers) {
  return Best(prediction, answers, [](const std::string& predicted, const std::string& answer) {
    return predicted == answer ? 1 : 0;
  });
}

double TokenF1(std::string_view prediction, const std::vector<std::string>& answers) {
  return Best(prediction, answers, F1);
}

}  // namespace kvlink::eval
