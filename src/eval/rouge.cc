// ROUGE-L (eval/rouge.h).
#include "eval/rouge.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "eval/characters.h"
#include "eval/porter.h"

namespace kvlink::eval {
namespace {

bool IsTokenCharacter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Tokens as small numbers, the same number for the same token.
std::vector<int32_t> Numbered(const std::vector<std::string>& tokens,
                              std::unordered_map<std::string, int32_t>* numbers) {
  std::vector<int32_t> out;
  out.reserve(tokens.size());
  for (const std::string& token : tokens) {
    out.push_back(numbers->emplace(token, static_cast<int32_t>(numbers->size())).first->second);
  }
  return out;
}

int64_t LongestCommonSubsequence(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  std::vector<int64_t> row(b.size() + 1);  // of the table's last line
  for (const int32_t token : a) {
    int64_t diagonal = 0;
    for (size_t j = 1; j <= b.size(); ++j) {
      const int64_t above = row[j];
      row[j] = token == b[j - 1] ? diagonal + 1 : std::max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> RougeTokens(std::string_view text) {
  // Whole characters, not only A-Z, are lower-cased: the Kelvin sign becomes a k.
  const std::string lower = LowerCase(text);
  std::vector<std::string> tokens;
  for (size_t at = 0; at < lower.size();) {
    if (!IsTokenCharacter(lower[at])) {
      ++at;
      continue;
    }
    const size_t begin = at;
    while (at < lower.size() && IsTokenCharacter(lower[at])) ++at;
    const std::string_view token = std::string_view(lower).substr(begin, at - begin);
    tokens.push_back(token.size() > 3 ? PorterStem(token) : std::string(token));
  }
  return tokens;
}

RougeScore RougeL(std::string_view reference, std::string_view prediction) {
  std::unordered_map<std::string, int32_t> numbers;
  const std::vector<int32_t> wanted = Numbered(RougeTokens(reference), &numbers);
  const std::vector<int32_t> found = Numbered(RougeTokens(prediction), &numbers);
  RougeScore score;
  if (wanted.empty() || found.empty()) return score;
  const auto common = static_cast<double>(LongestCommonSubsequence(wanted, found));
  score.precision = common / static_cast<double>(found.size());
  score.recall = common / static_cast<double>(wanted.size());
  const double sum = score.precision + score.recall;
  if (sum > 0) score.f1 = 2 * score.precision * score.recall / sum;
  return score;
}

}  // namespace kvlink::eval
